"""Chains of many classes at once: the picks of all that wait are made in one launch.

A pass over one class is over sooner than the next is launched. So classes run on threads of the
host, and where each has come to its chain, one launch makes many picks of every one (`whole`). All
threads use the one stream of the device: what a class reads was written before.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from coreset_cli.kernels.cuda import chain
from coreset_cli.kernels.cuda.meeting import Meeting
from coreset_cli.kernels.cuda.track import Track
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import Rounded

__all__ = ["AT_ONCE", "cover", "holds", "match", "met", "pays", "together"]

AT_ONCE = 16
"""Classes whose chains share a launch, at most: more would wait for each other on the host."""

PICK_BYTES = 1 << 18
"""Bytes that one program reads while one pick of one class is launched, some 10 µs, if it reads 25
GB a second: its share of the memory. Estimated, not measured."""

LAUNCH_BYTES = 1 << 30
"""Bytes that a program reads in one launch, some 40 ms, after which progress is told."""

TILE_ROWS = 256
"""Rows of a tile: as many as threads, and twice as many as where the programs fill the device."""

TILE_COLUMNS = 64
"""Columns of a tile, at most."""


@dataclass(frozen=True)
class _Chain:
    """What is asked for: picks of one class.

    Args:
        kernel: its name in `whole`.
        rows: of the class.
        numbers: its line of the table.
    """

    kernel: str
    rows: Rounded
    numbers: tuple[int, ...]

    @property
    def kind(self) -> tuple[str, torch.device, int]:
        """Those of one kind share a launch."""
        return self.kernel, self.rows.lifts.device, self.rows.values.shape[1]


_MEETING: ContextVar[Meeting[_Chain]] = ContextVar("meeting")


def pays(values: int, classes: int, device: torch.device) -> bool:
    """Whether classes are picked from sooner all at once than each by the whole device.

    Args:
        values: of one of them.
        classes: how many there are.
        device: where their rows are.
    """
    return chain.compiles(device) and 2 * values <= PICK_BYTES * min(classes, AT_ONCE)


def met() -> Meeting[_Chain]:
    """A meeting of classes."""
    return Meeting(_launched)


@contextmanager
def together(meeting: Meeting[_Chain]) -> Iterator[None]:
    """Chains of the caller's thread share launches with those of the other members."""
    with meeting.member():
        token = _MEETING.set(meeting)
        try:
            yield
        finally:
            _MEETING.reset(token)


def holds(points: Fixed) -> bool:
    """Whether the rows are those of one of several classes, in the memory of one device."""
    among = _MEETING.get(None) is not None
    return among and chain.holds(points) and chain.compiles(points.device)


def match(
    points: Fixed,
    state: Float64[Tensor, " n"],
    pull: Float64[Tensor, " n"],
    factor: int,
    first: int,
    k: int,
) -> Iterator[Int64[Tensor, " b"]]:
    """See `Several`."""
    rows = points.rows
    track = Track.starting(torch.tensor([first], device=state.device), 0.0, k)
    for start, stop in _batches(rows, 0, k):
        _ask("FOLLOW", rows, track, (start, stop), (state, pull, factor))
        yield track.picks[start:stop]


def cover(
    points: Fixed,
    nearest: Float64[Tensor, " n"],
    owner: Int32[Tensor, " n"],
    ranks: Int64[Tensor, " t"],
    k: int,
) -> Iterator[tuple[Int64[Tensor, " b"], list[float]]]:
    """See `Several`."""
    rows = points.rows
    before = rows.numbers(ranks)
    track = Track.starting(before, float(nearest[before[-1]]), k)
    spacing = torch.zeros_like(track.scores)
    arrays = (nearest, owner, rows.squares, track.scores, spacing)
    for start, stop in _batches(rows, len(before) - 1, k):
        _ask("REACH", rows, track, (start, stop), arrays)
        yield track.picks[start:stop], track.scores[start:stop].tolist()


def _batches(rows: Rounded, done: int, k: int) -> Iterator[tuple[int, int]]:
    """First and last of the picks that are made in each launch."""
    step = max(1, LAUNCH_BYTES // (2 * rows.values.numel()))
    for start in range(done, k, step):
        yield start, min(start + step, k)


def _ask(
    kernel: str, rows: Rounded, track: Track, turns: tuple[int, int], more: Sequence[Tensor | int]
) -> None:
    """Have some picks made.

    Args:
        kernel: its name.
        rows: all rows of the class.
        track: its picks.
        turns: the first that is made, and the first that is not.
        more: what else the kernel takes.
    """
    head = (rows.values, rows.lifts, rows.rank, track.picks, len(rows), *turns)
    numbers = tuple(one if isinstance(one, int) else _address(one) for one in (*head, *more))
    _MEETING.get().ask(_Chain(kernel, rows, numbers))


def _address(array: Tensor) -> int:
    """Where an array begins; kernels are told that 16 bytes can be loaded there."""
    if array.data_ptr() % 16 or not array.is_contiguous():
        raise AssertionError("the arrays of a chain must be whole, not parts of others")
    return array.data_ptr()


def _launched(chains: list[_Chain]) -> None:
    """Make the picks of all chains: each kind in one launch."""
    from coreset_cli.kernels.cuda import whole  # loads Triton

    for kind in dict.fromkeys(one.kind for one in chains):
        name, device, d = kind
        lines = [one.numbers for one in chains if one.kind == kind]
        table = torch.tensor(lines, device=device)
        width = min(TILE_COLUMNS, 1 << (d - 1).bit_length())
        with chain.current(device):
            getattr(whole, name)[(len(lines),)](
                table, len(lines[0]), d, TILE_ROWS, width,
                num_warps=TILE_ROWS // 32, enable_fp_fusion=False,
            )  # fmt: skip
