"""The loops of `cosine` and `submodular` as numba compiles them.

Inner products are of whole numbers in 32 bits, and sums over rows in 64: exact in any order.
"""

# mypy: ignore-errors

import numba
import numpy as np

__all__ = ["COLUMNS", "GAINS", "MATRIX"]


@numba.njit(nogil=True, cache=True, inline="always")
def _product(values, i, j):
    total = np.int32(0)
    for t in range(values.shape[1]):
        total = np.int32(total + np.int32(np.int32(values[i, t]) * np.int32(values[j, t])))
    return total


@numba.njit(nogil=True, cache=True)
def _block(values, powers, lengths, at, first, last, begin, end, top, shrink, found):
    """Write similarities of rows first…last to those that columns begin…end are of."""
    for i in range(first, last):
        for j in range(begin, end):
            found[j, i] = _product(values, i, at[j])
    for j in range(begin, end):
        power, length = 2 * powers[at[j]], lengths[at[j]]
        for i in range(first, last):
            away = max(0.0, (lengths[i] + length) - power * powers[i] * found[j, i])
            found[j, i] = np.int32(np.rint(max(0.0, top - away) * shrink))


def _columns(values, powers, lengths, at, top, shrink, tile, found):
    n, b = len(values), len(at)
    for part in numba.prange((n + tile - 1) // tile):
        first, last = part * tile, min(n, part * tile + tile)
        for begin in range(0, b, tile):
            end = min(b, begin + tile)
            _block(values, powers, lengths, at, first, last, begin, end, top, shrink, found)


def _matrix(values, powers, lengths, at, top, shrink, tile, found):
    n = len(values)
    parts = (n + tile - 1) // tile
    for pair in numba.prange(parts * (parts + 1) // 2):
        upper = np.int64((np.sqrt(8.0 * pair + 1) - 1) / 2)
        while upper * (upper + 1) // 2 > pair:
            upper -= 1
        while (upper + 1) * (upper + 2) // 2 <= pair:
            upper += 1
        begin = (pair - upper * (upper + 1) // 2) * tile
        first, last, end = upper * tile, min(n, upper * tile + tile), min(n, begin + tile)
        _block(values, powers, lengths, at, first, last, begin, end, top, shrink, found)
        for i in range(first, last):
            for j in range(begin, end):
                found[i, j] = found[j, i]


def _gains(columns, reached, found):
    for b in numba.prange(len(columns)):
        total = np.int64(0)
        for i in range(len(reached)):
            total += max(np.int32(0), np.int32(columns[b, i] - reached[i]))
        found[b] = total


def _both(function):
    return {
        parallel: numba.njit(nogil=True, cache=True, parallel=parallel)(function)
        for parallel in (False, True)
    }


COLUMNS = _both(_columns)
MATRIX = _both(_matrix)
GAINS = _both(_gains)
