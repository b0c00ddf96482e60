"""One pick as launches of the kernels of `fused`: one over the rows, one for who leads them."""

from dataclasses import dataclass, field

import torch
import triton
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from coreset_cli.kernels.cuda import fused
from coreset_cli.kernels.cuda.track import Track
from coreset_cli.kernels.loops import Rounded

__all__ = ["Cover", "Match"]

TILE_ROWS = 128
"""Rows of a tile: as many as threads, so that no thread repeats what another does for a row."""

TILE_COLUMNS = 64
"""Columns of a tile, at most: each thread loads 16 bytes of eight rows at once."""

PARTS = 8192
"""Programs over the rows, at most: enough for all units of a device to end at about one time."""

LEADERS = 4096
"""Leaders of parts that are compared at a time."""


@dataclass(frozen=True)
class _Tiles:
    """How the rows are divided among programs, and what leads in each.

    Args:
        d: columns of the rows.
        columns: columns of a tile.
        height: rows of a tile.
        span: rows of a program.
        tops: [p] largest score of each.
        ranks: [p] rank of its id.
        leaders: [p] the row.
    """

    d: int
    columns: int
    height: int
    span: int
    tops: Float64[Tensor, " p"]
    ranks: Int64[Tensor, " p"]
    leaders: Int64[Tensor, " p"]

    @classmethod
    def of(cls, rows: Rounded) -> "_Tiles":
        """Tiles of all rows; every program has about as many."""
        n, d = rows.values.shape
        columns = min(TILE_COLUMNS, triton.next_power_of_2(d))
        span = -(-n // (PARTS * TILE_ROWS)) * TILE_ROWS
        parts = -(-n // span)
        device = rows.values.device
        tops = torch.zeros(parts, dtype=torch.float64, device=device)
        ranks, leaders = torch.zeros(2, parts, dtype=torch.int64, device=device)
        return cls(d, columns, TILE_ROWS, span, tops, ranks, leaders)

    @property
    def parts(self) -> tuple[int]:
        """Programs over the rows."""
        return (len(self.tops),)

    def crown(self, track: Track) -> None:
        """Write what leads everywhere behind the picks."""
        fused.CROWN[(1,)](
            self.tops, self.ranks, self.leaders, track.picks, track.scores, track.done,
            len(self.tops), LEADERS, num_warps=16, enable_fp_fusion=False,
        )  # fmt: skip


@dataclass(frozen=True)
class Match:
    """Take the leader out, add pull − factor · ⟨row, leader⟩ to every score, find who leads now.

    Args:
        rows: all of them, on the device.
        state: [n] scores; changed in place.
        pull: [n] what every step adds to them.
        factor: power of two.
        track: picks.
    """

    rows: Rounded
    state: Float64[Tensor, " n"]
    pull: Float64[Tensor, " n"]
    factor: int
    track: Track
    tiles: _Tiles = field(init=False)

    def __post_init__(self) -> None:
        """Divide the rows."""
        object.__setattr__(self, "tiles", _Tiles.of(self.rows))

    def __call__(self) -> None:
        """Make one step."""
        rows, track, tiles = self.rows, self.track, self.tiles
        fused.ADVANCE[tiles.parts](
            rows.values, rows.lifts, rows.rank, self.state, self.pull, track.picks, track.done,
            tiles.tops, tiles.ranks, tiles.leaders, len(rows), tiles.span,
            self.factor, tiles.d, tiles.height, tiles.columns, enable_fp_fusion=False,
        )  # fmt: skip
        tiles.crown(track)


@dataclass(frozen=True)
class Cover:
    """Take the leader out, lower the squared distances to it, find who is farthest now.

    Rows that cannot be nearer to the new pick than to their own are not read.

    Args:
        rows: all of them, on the device.
        nearest: [n] squared distances to the nearest pick; changed in place.
        owner: [n] which pick that is; changed in place.
        track: picks.
    """

    rows: Rounded
    nearest: Float64[Tensor, " n"]
    owner: Int32[Tensor, " n"]
    track: Track
    tiles: _Tiles = field(init=False)
    spacing: Float64[Tensor, " t"] = field(init=False)

    def __post_init__(self) -> None:
        """Divide the rows."""
        object.__setattr__(self, "tiles", _Tiles.of(self.rows))
        object.__setattr__(self, "spacing", torch.zeros_like(self.track.scores))

    def __call__(self) -> None:
        """Make one step."""
        rows, track, tiles = self.rows, self.track, self.tiles
        shape = (tiles.d, tiles.height, tiles.columns)
        fused.SPACING[(-(-len(track.picks) // tiles.height),)](
            rows.values, rows.lifts, rows.squares, track.picks, track.done, self.spacing, *shape,
            enable_fp_fusion=False,
        )  # fmt: skip
        fused.COVER[tiles.parts](
            rows.values, rows.lifts, rows.squares, rows.rank, self.nearest, self.owner,
            track.picks, track.done, self.spacing, tiles.tops, tiles.ranks, tiles.leaders,
            len(rows), tiles.span, *shape, enable_fp_fusion=False,
        )  # fmt: skip
        tiles.crown(track)
