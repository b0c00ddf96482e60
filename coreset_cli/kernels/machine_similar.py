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


@numba.njit(nogil=True, cache=True, inline="always")
def _similar(values, powers, lengths, i, j, top, shrink):
    product = 2 * powers[i] * powers[j] * _product(values, i, j)
    away = max(0.0, (lengths[i] + lengths[j]) - product)
    return np.int32(np.rint(max(0.0, top - away) * shrink))


def _columns(values, powers, lengths, at, top, shrink, tile, found):
    n, b = len(values), len(at)
    for part in numba.prange((n + tile - 1) // tile):
        for first in range(0, b, tile):
            for i in range(part * tile, min(n, part * tile + tile)):
                for j in range(first, min(b, first + tile)):
                    found[j, i] = _similar(values, powers, lengths, i, at[j], top, shrink)


def _matrix(values, powers, lengths, top, shrink, tile, found):
    n = len(values)
    parts = (n + tile - 1) // tile
    for pair in numba.prange(parts * (parts + 1) // 2):
        upper = np.int64((np.sqrt(8.0 * pair + 1) - 1) / 2)
        while upper * (upper + 1) // 2 > pair:
            upper -= 1
        while (upper + 1) * (upper + 2) // 2 <= pair:
            upper += 1
        lower = pair - upper * (upper + 1) // 2
        for i in range(upper * tile, min(n, upper * tile + tile)):
            for j in range(lower * tile, min(n, lower * tile + tile)):
                found[i, j] = _similar(values, powers, lengths, i, j, top, shrink)
        for j in range(lower * tile, min(n, lower * tile + tile)):
            for i in range(upper * tile, min(n, upper * tile + tile)):
                found[j, i] = found[i, j]


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
