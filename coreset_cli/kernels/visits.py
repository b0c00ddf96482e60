"""How often each row is the nearest to a random place, less how much its neighbours cover it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int16, Int64, UInt64
from numpy.typing import NDArray

from coreset_cli.errors import DoesNotFit
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.seeds import Key, Rng

__all__ = ["ONE", "STATE_BYTES", "Places", "drawn_places", "visits"]

ONE = 1 << 31
"""A visit; up to 2³⁰ of them are summed exactly."""

FARTHEST = 2.0**85
"""Power of two that no row passes, so that single precision holds every value."""

BLOCK_VALUES = 1 << 19
"""Values that are turned at a time."""

MOST_THREADS = 8
"""Threads that keep scores of their own."""

STATE_BYTES = 32 * MOST_THREADS
"""Bytes a row beside the points: scores, distances and nearest rows of every thread."""

BATCH_VALUES = 1 << 29
"""Distances between two signs of progress."""


@dataclass(frozen=True)
class Places:
    """Random places in one or two coordinates.

    Args:
        dimensions: [t 2] which coordinates; −1 where there is only one.
        places: [t 2] where, in grid units.
    """

    dimensions: Int64[np.ndarray, "t 2"]
    places: Float32[np.ndarray, "t 2"]


def visits(
    points: Fixed, draws: int, neighbours: int, rng: Rng, progress: Callable[[int, int], None]
) -> Int64[np.ndarray, " n"]:
    """Scores of rows, in 2⁻³¹, over random places of two coordinates.

    The nearest row to a place, by the sum of differences, gains 1. Its nearest other rows lose 1
    together, by the inverse fourth power of their distance; a copy of it loses all.

    Source: Griffin, Marks & Corso, "Zero-shot coreset selection via iterative subspace sampling",
    WACV 2026, algorithm 1.

    Args:
        points: the cloud.
        draws: random places.
        neighbours: rows that lose.
        rng: draws the places and, between 0 and 1, what each row starts with.
        progress: called with places done and in all.

    Raises:
        DoesNotFit: the rows, coordinate by coordinate, are too many for the memory.
    """
    from coreset_cli.kernels.machine_visits import VISITS  # takes seconds the first time

    n, d = points.rows.values.shape
    if 2 * n * d > points.points.room:
        raise DoesNotFit(
            f"{n} rows are held coordinate by coordinate, which takes {2 * n * d >> 20} MiB; "
            "raise --max-memory, or select from fewer rows at a time"
        )
    order = np.argsort(points.points.key.rank)
    columns = _columns(points, order)
    powers = points.powers.cpu().numpy()[order].clip(max=FARTHEST).astype(np.float32)
    places = drawn_places(columns, powers, draws, rng)
    start = rng.draws("zcore start", points.points.key.take(order)) >> np.uint64(33)
    threads = 1 if points.points.serial else min(MOST_THREADS, torch.get_num_threads())
    scores = np.zeros((threads, n), np.int64)
    batch = max(threads, BATCH_VALUES // n)
    for first in range(0, len(places.places), batch):
        which = slice(first, first + batch)
        VISITS[threads > 1](
            columns, powers, places.dimensions[which], places.places[which],
            min(neighbours, n - 1), ONE, scores,
        )  # fmt: skip
        progress(min(first + batch, draws), draws)
    found = np.empty(n, np.int64)
    found[order] = start.astype(np.int64) + scores.sum(0)
    return found


def drawn_places(
    columns: Int16[np.ndarray, "d n"], powers: Float32[np.ndarray, " n"], draws: int, rng: Rng
) -> Places:
    """Places of two coordinates that are not constant, each about the median of its values.

    A place is drawn from the triangle between the least and the largest value that peaks at the
    median. Where all coordinates are constant there are none.
    """
    ends = np.empty((len(columns), 3))
    for row, column in zip(ends, columns, strict=True):
        values = powers.astype(np.float64) * column
        row[:] = values.min(), np.median(values), values.max()
    used = np.flatnonzero(ends[:, 0] < ends[:, 2])
    if not len(used):
        return Places(np.empty((0, 2), np.int64), np.empty((0, 2), np.float32))
    numbers = Key(np.arange(draws), np.arange(draws, dtype=np.uint64))
    first = _below(len(used), rng.draws("zcore first", numbers))
    if len(used) == 1:
        dimensions = np.stack([used[first], np.full(draws, -1)], 1)
    else:
        second = _below(len(used) - 1, rng.draws("zcore second", numbers))
        dimensions = used[np.stack([first, second + (second >= first)], 1)]
    places = np.empty((draws, 2))
    for side in (0, 1):
        words = rng.draws(f"zcore place {side}", numbers)
        places[:, side] = _triangular((words >> np.uint64(11)) / 2.0**53, ends[dimensions[:, side]])
    return Places(dimensions, places.astype(np.float32))


def _triangular(
    uniform: Float64[np.ndarray, " t"], ends: Float64[np.ndarray, "t 3"]
) -> Float64[np.ndarray, " t"]:
    """Least, likeliest and largest value of each draw, whole numbers of the grid."""
    low, peak, high = ends.T
    rise, fall, width = peak - low, high - peak, high - low
    upwards = low + np.sqrt(uniform * width * rise)
    downwards = high - np.sqrt((1 - uniform) * width * fall)
    return np.rint(np.where(uniform * width < rise, upwards, downwards))


def _below(count: int, words: UInt64[np.ndarray, " t"]) -> Int64[np.ndarray, " t"]:
    """A uniform whole number below a count for each word."""
    return ((words >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def _columns(points: Fixed, order: NDArray[np.int64]) -> Int16[np.ndarray, "d n"]:
    """Values coordinate by coordinate, the rows in an order."""
    values = points.rows.values.cpu().numpy()
    columns = np.empty(values.shape[::-1], np.int16)
    step = max(1, BLOCK_VALUES // values.shape[1])
    for first in range(0, len(order), step):
        columns[:, first : first + step] = values[order[first : first + step]].T
    return columns
