"""The loop of `visits` as numba compiles it; scores are whole numbers, exact in any order."""

# mypy: ignore-errors

import numba
import numpy as np

__all__ = ["VISITS"]

SPARSE = 16
"""One row in so many says about how far the nearest rows reach."""

WEIGHT = 2.0**30
"""Weight of the nearest row."""

ORDERED = {"nnan", "nsz"}
"""Licence to look for the least of several values at once; sums stay as they are written."""


@numba.njit(nogil=True, cache=True, fastmath=ORDERED)
def _spread(first, second, two, here, there, away):
    """Write the distance of each row to a place; say the least."""
    least = np.float32(np.inf)
    if two:
        for i in range(len(away)):
            away[i] = abs(first[i] - here) + abs(second[i] - there)
            least = min(least, away[i])
    else:
        for i in range(len(away)):
            away[i] = abs(first[i] - here)
            least = min(least, away[i])
    return least


@numba.njit(nogil=True, cache=True)
def _where(away, value):
    for i in range(len(away)):
        if away[i] == value:
            return i
    return 0


@numba.njit(nogil=True, cache=True)
def _within(away, bound, rows):
    count = 0
    for i in range(len(away)):
        rows[count] = i
        count += away[i] <= bound
    return count


@numba.njit(nogil=True, cache=True)
def _nearest(away, few, rows):
    """Write the rows among which the nearest few are, in order; say how many.

    A part of the rows suggests a bound; where too few are within it, all rows are written.
    """
    sample = away[::SPARSE].copy()
    guess = 2 * few // SPARSE + 8
    if guess < len(sample):
        count = _within(away, np.partition(sample, guess)[guess], rows)
        if count >= few:
            return count
    return _within(away, np.float32(np.inf), rows)


@numba.njit(nogil=True, cache=True)
def _visit(columns, powers, dimensions, place, few, one, sides, away, rows, scores):
    two = dimensions[1] >= 0
    first, second = sides[0], sides[1]
    for i in range(len(away)):
        first[i] = powers[i] * columns[dimensions[0], i]
        second[i] = powers[i] * columns[max(0, dimensions[1]), i]
    best = _where(away, _spread(first, second, two, place[0], place[1], away))
    scores[best] += one
    if few == 0:
        return
    _spread(first, second, two, first[best], second[best], away)
    away[best] = np.inf
    near = rows[: _nearest(away, few, rows[: len(away)])]
    some = away[near]
    closest = some.min()
    if closest == 0:
        scores[near[_where(some, closest)]] -= one
        return
    reach = np.partition(some, few - 1)[few - 1]
    ties = few - (some < reach).sum()
    weights = np.zeros(len(some), np.int64)
    for i in range(len(some)):
        if some[i] < reach or (some[i] == reach and ties > 0):
            ties -= some[i] == reach
            ratio = np.float64(closest) / np.float64(some[i])
            ratio *= ratio
            weights[i] = np.int64(ratio * ratio * WEIGHT)
    total = weights.sum()
    for i in range(len(some)):
        scores[near[i]] -= weights[i] * one // total


def _visits(columns, powers, dimensions, places, few, one, scores):
    parts, n = scores.shape
    draws = len(places)
    share = (draws + parts - 1) // parts
    for part in numba.prange(parts):
        sides, away = np.empty((2, n), np.float32), np.empty(n, np.float32)
        rows = np.empty(n + 1, np.int64)
        for t in range(part * share, min(draws, part * share + share)):
            _visit(
                columns, powers, dimensions[t], places[t], few, one, sides, away, rows,
                scores[part],
            )  # fmt: skip


VISITS = {
    parallel: numba.njit(nogil=True, cache=True, parallel=parallel)(_visits)
    for parallel in (False, True)
}
"""By whether all threads are used."""
