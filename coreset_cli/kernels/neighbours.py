"""The nearest other rows of each row, on the grid: the same ones on every machine."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.pairs import BLOCK_ROWS, squares_between

__all__ = ["Near", "block_bytes", "nearest", "nearest_rows"]

OTHERS = 1024
"""Rows that a block is compared with at a time: 4 MiB of distances."""

COPIES = 8
"""Arrays of a block that are held at once: distances and places, and what sorts them."""


def block_bytes(n: int) -> int:
    """Bytes that a block of pairs takes while the nearest of n rows are found."""
    return 8 * COPIES * min(n, BLOCK_ROWS) * min(n, OTHERS)


class Near(NamedTuple):
    """Neighbours of each row, the nearest first.

    Args:
        rows: [n, m].
        squares: [n, m] squared distances, in grid units.
    """

    rows: Int64[NDArray[np.int64], "n m"]
    squares: Float64[NDArray[np.float64], "n m"]


def nearest_rows(
    points: Fixed, m: int, progress: Callable[[int, int], None]
) -> Int64[NDArray[np.int64], "n m"]:
    """The m nearest rows of each row: those of `nearest`, without their distances."""
    return nearest(points, m, progress).rows


def nearest(points: Fixed, m: int, progress: Callable[[int, int], None]) -> Near:
    """The m nearest rows of each row, itself left out; of equally near ones the smaller ids.

    All pairs are compared, block by block: O(n² d) time, O(n m) memory.

    Args:
        points: n rows.
        m: neighbours of a row, at most n − 1 of them are found.
        progress: called with rows done and in all.
    """
    n = len(points)
    m = min(m, n - 1)
    order = torch.argsort(points.rows.rank)  # so that the smaller place is the smaller id
    by_id = order.cpu().numpy()
    found = Near(np.empty((n, m), np.int64), np.empty((n, m)))
    for start in range(0, n, BLOCK_ROWS):
        some = order[start : start + BLOCK_ROWS]
        block = points.rows.take(some)
        best = np.empty((len(some), 0))
        place = np.empty((len(some), 0), np.int64)
        for first in range(0, n, OTHERS):
            others = order[first : first + OTHERS]
            squares = squares_between(block, points.rows.take(others)).cpu().numpy()
            own = np.arange(start, start + len(some))
            inside = (own >= first) & (own < first + len(others))
            squares[inside, own[inside] - first] = np.inf
            places = np.broadcast_to(np.arange(first, first + len(others)), squares.shape)
            best, place = _smallest(
                np.hstack([best, squares]), np.hstack([place, places]), min(m, first + len(others))
            )
        own = by_id[start : start + len(some)]
        found.rows[own], found.squares[own] = by_id[place], best
        progress(min(start + BLOCK_ROWS, n), n)
    return found


def _smallest(
    values: NDArray[np.float64], places: NDArray[np.int64], m: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The m smallest of each row and their places, ascending; of equal ones the smaller places.

    Args:
        values: [b, o].
        places: [b, o] ascending among equal values.
        m: at most o.
    """
    if m == 0:
        return values[:, :0], places[:, :0]
    # What is partitioned away may not tie with what is kept: keep all up to the m-th value.
    limit = np.partition(values, m - 1, axis=1)[:, m - 1]
    width = int((values <= limit[:, None]).sum(1).max())
    if width > m:
        some = np.argsort(values, axis=1, kind="stable")[:, :m]
    else:
        some = np.argpartition(values, m - 1, axis=1)[:, :m]
        inner = np.take_along_axis(values, some, 1), np.take_along_axis(places, some, 1)
        some = np.take_along_axis(some, np.lexsort((inner[1], inner[0]), axis=1), 1)
    return np.take_along_axis(values, some, 1), np.take_along_axis(places, some, 1)
