"""The loop of `visits` as numba compiles it; scores are whole numbers, exact in any order."""

# mypy: ignore-errors

import numba
import numpy as np

__all__ = ["VISITS"]

SPARSE = 16
"""One row in so many says about how far the nearest rows reach."""

WEIGHT = 2.0**30
"""Weight of the nearest row."""


@numba.njit(nogil=True, cache=True)
def _reach(away, few, some):
    """The few-th smallest distance: of the rows within a bound that a part of them suggests."""
    n = len(away)
    sample = away[::SPARSE].copy()
    guess = 2 * few // SPARSE + 8
    if guess < len(sample):
        bound = np.partition(sample, guess)[guess]
        count = 0
        for i in range(n):
            if away[i] <= bound:
                some[count] = away[i]
                count += 1
        if count >= few:
            return np.partition(some[:count], few - 1)[few - 1]
    return np.partition(away, few - 1)[few - 1]


@numba.njit(nogil=True, cache=True)
def _visit(columns, powers, first, second, here, there, few, one, away, some, scores):
    n = columns.shape[1]
    best, nearest = 0, np.inf
    for i in range(n):
        apart = abs(powers[i] * columns[first, i] - here)
        if second >= 0:
            apart += abs(powers[i] * columns[second, i] - there)
        if apart < nearest:
            best, nearest = i, apart
    scores[best] += one
    if few == 0:
        return
    closest, twin = np.inf, 0
    for i in range(n):
        apart = abs(powers[i] * columns[first, i] - powers[best] * columns[first, best])
        if second >= 0:
            apart += abs(powers[i] * columns[second, i] - powers[best] * columns[second, best])
        if i == best:
            apart = np.inf
        away[i] = apart
        if apart < closest:
            closest, twin = apart, i
    if closest == 0:
        scores[twin] -= one
        return
    reach = _reach(away, few, some)
    left = few
    for i in range(n):
        left -= away[i] < reach
    total = np.int64(0)
    ties = left
    for i in range(n):
        if away[i] < reach or (away[i] == reach and ties > 0):
            ties -= away[i] == reach
            ratio = closest / away[i]
            ratio *= ratio
            total += np.int64(ratio * ratio * WEIGHT)
    for i in range(n):
        if away[i] < reach or (away[i] == reach and left > 0):
            left -= away[i] == reach
            ratio = closest / away[i]
            ratio *= ratio
            scores[i] -= np.int64(ratio * ratio * WEIGHT) * one // total


def _visits(columns, powers, dimensions, places, few, one, scores):
    parts, n = scores.shape
    draws = len(places)
    share = (draws + parts - 1) // parts
    for part in numba.prange(parts):
        away, some = np.empty(n), np.empty(n)
        for t in range(part * share, min(draws, part * share + share)):
            _visit(
                columns, powers, dimensions[t, 0], dimensions[t, 1], places[t, 0], places[t, 1],
                few, one, away, some, scores[part],
            )  # fmt: skip


VISITS = {
    parallel: numba.njit(nogil=True, cache=True, parallel=parallel)(_visits)
    for parallel in (False, True)
}
"""By whether all threads are used."""
