"""One pick in tensor operations that never wait for the host: for devices without Triton.

Every number is computed as in `portable`, so the picks are the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int32
from torch import Tensor

from coreset_cli.kernels.cuda.stream import BLOCK_VALUES
from coreset_cli.kernels.cuda.track import Track
from coreset_cli.kernels.loops import Rounded

__all__ = ["Cover", "Match"]

_NO_RANK = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Match:
    """Take the leader out, add pull − factor · ⟨row, leader⟩ to every score, find who leads now.

    Args:
        rows: all of them, on the device.
        powers: [n] 2^lift of each.
        state: [n] scores; changed in place.
        pull: [n] what every step adds to them.
        factor: power of two.
        track: picks.
    """

    rows: Rounded
    powers: Float64[Tensor, " n"]
    state: Float64[Tensor, " n"]
    pull: Float64[Tensor, " n"]
    factor: int
    track: Track

    def __call__(self) -> None:
        """Make one step."""
        at = self.track.picks.index_select(0, self.track.done)
        product = _products(self.rows, at) * (self.factor * self.powers.index_select(0, at))
        self.state.add_(self.pull - self.powers * product)
        self.state.index_fill_(0, at, -torch.inf)
        _crown(self.state, self.rows, self.track)


@dataclass(frozen=True)
class Cover:
    """Take the leader out, lower the squared distances to it, find who is farthest now.

    Args:
        rows: all of them, on the device.
        powers: [n] 2^lift of each.
        nearest: [n] squared distances to the nearest pick; changed in place.
        owner: [n] which pick that is; changed in place.
        track: picks.
    """

    rows: Rounded
    powers: Float64[Tensor, " n"]
    nearest: Float64[Tensor, " n"]
    owner: Int32[Tensor, " n"]
    track: Track

    def __call__(self) -> None:
        """Make one step."""
        rows, track = self.rows, self.track
        at = track.picks.index_select(0, track.done)
        self.nearest.index_fill_(0, at, -torch.inf)
        away = self._squared(rows, self.powers, at)
        spacing = self._squared(rows.take(track.picks), self.powers[track.picks], at)
        near = 4 * self.nearest > spacing[self.owner]
        away = away.clamp(min=0)
        closer = near & (away < self.nearest)
        self.nearest.copy_(torch.where(closer, away, self.nearest))
        self.owner.copy_(torch.where(closer, track.done.int(), self.owner))
        _crown(self.nearest, rows, track)

    def _squared(
        self, rows: Rounded, mine: Float64[Tensor, " m"], at: Tensor
    ) -> Float64[Tensor, " m"]:
        """Squared distances of some rows to one of all, below 0 by rounding alone."""
        power, square = self.powers.index_select(0, at), self.rows.squares.index_select(0, at)
        point = self.rows.values.index_select(0, at)
        product = 2 * mine * power * _products_with(rows, point)
        return mine * mine * rows.squares + power * power * square - product


def _products(rows: Rounded, at: Tensor) -> Float64[Tensor, " n"]:
    return _products_with(rows, rows.values.index_select(0, at))


def _products_with(rows: Rounded, point: Tensor) -> Float64[Tensor, " n"]:
    vector = point[0].double()
    step = max(1, BLOCK_VALUES // len(vector))
    return torch.cat([block.double() @ vector for block in rows.values.split(step)])


def _crown(score: Float64[Tensor, " n"], rows: Rounded, track: Track) -> None:
    """Write who leads behind the picks, of equal scores the smallest id."""
    best = score.max()
    leader = torch.where(score == best, rows.rank, _NO_RANK).argmin().view(1)
    track.done.add_(1)
    track.picks.index_copy_(0, track.done, leader)
    track.scores.index_copy_(0, track.done, best.view(1))
