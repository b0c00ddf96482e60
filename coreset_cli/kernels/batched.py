"""Many picks in one call of what is compiled.

Inside a class a pass over the rows takes some ten microseconds, less than it takes to come back
from it and begin the next; in a pool that fits the cache it is still a third. Measured on one core:
128 picks of 1,281 × 768 in 3.8 ms instead of 9.3, 10 picks of 100 × 256 in 0.03 ms instead of 0.47.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.portable import Portable

__all__ = ["cover", "holds", "match"]

CHUNK_BYTES = 1 << 19
"""Bytes of rows that a thread takes at a time."""

VALUES = 1 << 28
"""Values read in one call: some ten milliseconds, after which progress is told."""


def holds(points: Fixed) -> bool:
    """Whether all rows are here, and enough for compiled loops."""
    here = points.device.type == "cpu" and points.comm.size == 1 and len(points) > 0
    return here and not isinstance(points.points.loops, Portable)


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
    from coreset_cli.kernels import machine  # takes seconds the first time

    size, chunk = _sizes(points)
    row = first
    for start in range(0, k, size):
        picks = np.empty(min(size, k - start), np.int64)
        row = machine.follow(
            rows.values.numpy(), rows.lifts.numpy(), rows.rank.numpy(), state.numpy(),
            pull.numpy(), float(factor), row, picks, start + len(picks) == k, chunk,
        )  # fmt: skip
        yield torch.from_numpy(picks)


def cover(
    points: Fixed,
    nearest: Float64[Tensor, " n"],
    owner: Int32[Tensor, " n"],
    ranks: Int64[Tensor, " t"],
    k: int,
) -> Iterator[tuple[Int64[Tensor, " b"], list[float]]]:
    """See `Several`."""
    rows = points.rows
    from coreset_cli.kernels import machine  # takes seconds the first time

    size, chunk = _sizes(points)
    picks, scores = np.empty(k, np.int64), np.empty(k)
    picks[: len(ranks)] = rows.numbers(ranks).numpy()
    for first in range(len(ranks) - 1, k, size):
        last = min(first + size, k)
        machine.reach(
            rows.values.numpy(), rows.lifts.numpy(), rows.squares.numpy(), rows.rank.numpy(),
            nearest.numpy(), owner.numpy(), picks, scores, first, last, chunk,
        )  # fmt: skip
        yield torch.from_numpy(picks[first:last].copy()), scores[first:last].tolist()


def _sizes(points: Fixed) -> tuple[int, int]:
    """Picks of one call, and rows that a thread takes at a time: all, where there is one."""
    n, d = points.rows.values.shape
    chunk = n if points.points.serial else max(1, CHUNK_BYTES // (2 * d))
    return max(1, VALUES // (n * d)), chunk
