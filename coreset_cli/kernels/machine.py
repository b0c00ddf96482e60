"""The loops over rows as numba compiles them; `compiled` says what they take.

A loop over values that only sums whole numbers may be reordered (`EXACT`): its sum is exact in any
order. All other arithmetic is left as it is written, or two machines would round it differently.
"""

# mypy: ignore-errors

import math

import numba
import numpy as np

from coreset_cli.kernels.loops import (
    BATCH,
    CAP,
    EXCESS_BITS,
    FORCE_BITS,
    LARGEST,
    LIMB_BITS,
    LIMIT,
    POWERS,
)
from coreset_cli.kernels.machine_code import both, machine_code

__all__ = ["ADVANCE", "COVER", "FORCES", "PRODUCTS", "ROUND_ROWS", "follow", "norms", "reach"]

EXACT = {"reassoc", "contract"}
"""Licence to reorder and fuse, given to sums of whole numbers alone."""

_POWERS = POWERS.numpy()
_MASK = (1 << LIMB_BITS) - 1
_UNIT = 2.0**FORCE_BITS
_EXCESS = 2.0**EXCESS_BITS


def _round_rows(block, divisors, origin, scale, values, lifts, squares, chunk):
    n, d = block.shape
    for part in numba.prange((n + chunk - 1) // chunk):
        row = np.empty(d)
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            far = 0.0
            for j in range(d):
                row[j] = (np.float64(block[i, j]) / divisors[i] - origin[j]) * scale
                far = max(far, abs(row[j]))
            lift = 0
            while far / _POWERS[lift] >= LARGEST + 0.5:
                lift += 1
            square = _rounded(row, 1 / _POWERS[lift], values, i)
            while square > LIMIT:
                lift += 1
                square = _rounded(row, 1 / _POWERS[lift], values, i)
            lifts[i] = lift
            squares[i] = square


@machine_code()
def _rounded(row, shrink, values, i):
    square = np.int64(0)
    for j in range(len(row)):
        value = np.int16(np.rint(row[j] * shrink))
        values[i, j] = value
        square += np.int64(value) * np.int64(value)
    return square


@machine_code()
def norms(block, bits, found):
    """Write the norm of each row of a block to `found`, from sums of squares of so many bits."""
    for i in range(len(block)):
        far = 0.0
        for j in range(block.shape[1]):
            far = max(far, abs(np.float64(block[i, j])))
        found[i] = 0.0
        if far > 0:
            scale = math.ldexp(1.0, bits - math.frexp(far)[1])
            total = np.int64(0)
            for j in range(block.shape[1]):
                value = np.int64(np.rint(np.float64(block[i, j]) * scale))
                total += value * value
            found[i] = math.sqrt(np.float64(total)) / scale


@machine_code(fastmath=EXACT)
def _wide_product(values, i, vector):
    total = 0.0
    for j in range(len(vector)):
        total += np.float64(values[i, j]) * vector[j]
    return total


@machine_code(inline="always")
def _product(values, i, point):
    total = np.int32(0)
    for j in range(len(point)):
        total = np.int32(total + np.int32(np.int32(values[i, j]) * np.int32(point[j])))
    return total


@machine_code(fastmath=EXACT)
def _add_weighted(total, weight, values, i):
    for j in range(len(total)):
        total[j] += weight * np.float64(values[i, j])


def _products(values, lifts, vector, chunk, found):
    n = len(values)
    for part in numba.prange((n + chunk - 1) // chunk):
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            found[i] = _wide_product(values, i, vector) * _POWERS[lifts[i]]


def _advance(values, lifts, rank, state, pull, point, factor, chunk):
    n = len(values)
    parts = (n + chunk - 1) // chunk
    leaders = np.empty(parts, np.int64)
    for part in numba.prange(parts):
        best = part * chunk
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            product = factor * _POWERS[lifts[i]] * _product(values, i, point)
            state[i] = state[i] + (pull[i] - product)
            if state[i] > state[best] or (state[i] == state[best] and rank[i] < rank[best]):
                best = i
        leaders[part] = best
    return _leader(leaders, state, rank)


def _cover(values, lifts, squares, rank, nearest, owner, point, power, square, spacing, chunk):
    n = len(values)
    parts = (n + chunk - 1) // chunk
    leaders = np.empty(parts, np.int64)
    for part in numba.prange(parts):
        best = part * chunk
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            if 4 * nearest[i] > spacing[owner[i]]:
                mine = _POWERS[lifts[i]]
                product = 2 * mine * power * _product(values, i, point)
                away = max(0.0, (mine * mine * squares[i] + power * power * square) - product)
                if away < nearest[i]:
                    nearest[i] = away
                    owner[i] = len(spacing) - 1
            if nearest[i] > nearest[best] or (nearest[i] == nearest[best] and rank[i] < rank[best]):
                best = i
        leaders[part] = best
    return _leader(leaders, nearest, rank)


def _forces(values, lifts, squares, rank, vector, length, bits, chunk, sums, counts):
    n = len(values)
    parts = (n + chunk - 1) // chunk
    leaders = np.empty(parts, np.int64)
    nearness = np.empty(parts)
    for part in numba.prange(parts):
        leaders[part], nearness[part] = _pulled(
            values, lifts, squares, rank, vector, length, bits,
            part * chunk, min(n, part * chunk + chunk), sums[part], counts[part],
        )  # fmt: skip
    if parts == 0:
        return -1, np.inf
    best = 0
    for part in range(1, parts):
        if nearness[part] > nearness[best] or (
            nearness[part] == nearness[best] and rank[leaders[part]] < rank[leaders[best]]
        ):
            best = part
    return leaders[best], -nearness[best]


@machine_code()
def _pulled(values, lifts, squares, rank, vector, length, bits, first, last, sums, counts):
    d = len(vector)
    unit = math.ldexp(1.0, bits)
    weighted = np.zeros(d)
    closest, where = -np.inf, first
    for i in range(first, last):
        power = unit * _POWERS[lifts[i]]
        product = _wide_product(values, i, vector)
        if lifts[i] == 0 and bits >= 0:
            cross = np.int64(product) << (bits + 1)
            away = np.float64((np.int64(squares[i]) << (2 * bits)) - cross + length)
            change = np.float64(length - cross)
        else:
            change = length - 2 * power * product
            away = max(0.0, power * power * squares[i] + change)
        distance = math.sqrt(away)
        norm = power * math.sqrt(np.float64(squares[i]))
        if -distance > closest or (-distance == closest and rank[i] < rank[where]):
            closest, where = -distance, i
        if distance + norm > 0:
            excess = np.int64(np.rint(_EXCESS * (change / (distance + norm))))
            counts[4] += excess >> LIMB_BITS
            counts[5] += excess & _MASK
        if away <= d:
            counts[3] += 1
        else:
            weight = np.rint(_UNIT * power / distance)
            true = np.int64(np.rint(weight / _POWERS[lifts[i]]))
            if weight <= CAP:
                counts[0] += true
                _add_weighted(weighted, weight, values, i)
            else:
                counts[1] += true >> LIMB_BITS
                counts[2] += true & _MASK
                for j in range(d):
                    part = (power * values[i, j] - vector[j]) / distance
                    sums[2, j] += np.int64(np.rint(_UNIT * min(1.0, max(-1.0, part))))
        if (i + 1 - first) % BATCH == 0 or i + 1 == last:
            for j in range(d):
                total = np.int64(weighted[j])
                sums[0, j] += total >> LIMB_BITS
                sums[1, j] += total & _MASK
                weighted[j] = 0.0
    return where, closest


@machine_code()
def _leader(leaders, score, rank):
    if len(leaders) == 0:
        return -1
    best = leaders[0]
    for i in leaders:
        if score[i] > score[best] or (score[i] == score[best] and rank[i] < rank[best]):
            best = i
    return best


ROUND_ROWS = both(_round_rows)
PRODUCTS = both(_products)
ADVANCE = both(_advance)
COVER = both(_cover)
FORCES = both(_forces)

_ADVANCE = ADVANCE[False]
_COVER = COVER[False]
_ADVANCE_ALL = ADVANCE[True]
_COVER_ALL = COVER[True]


@machine_code()
def follow(values, lifts, rank, state, pull, factor, row, picks, end, chunk):
    """Write the next picks, the first of them `row`, and take each from all scores but the last.

    All threads take part where a chunk is less than all rows.
    """
    for t in range(len(picks)):
        picks[t] = row
        state[row] = -np.inf
        if not (end and t + 1 == len(picks)):
            step = factor * _POWERS[lifts[row]]
            if chunk < len(values):
                row = _ADVANCE_ALL(values, lifts, rank, state, pull, values[row], step, chunk)
            else:
                row = _ADVANCE(values, lifts, rank, state, pull, values[row], step, chunk)
    return row


@machine_code()
def reach(values, lifts, squares, rank, nearest, owner, picks, scores, first, last, chunk):
    """Cover picks[first:last] one after another, write how far each was, and who is next.

    All threads take part where a chunk is less than all rows.
    """
    spacing = np.empty(last)
    for t in range(first, last):
        row = picks[t]
        scores[t] = nearest[row]
        nearest[row] = -np.inf
        if t + 1 == len(picks):
            return
        power, square = _POWERS[lifts[row]], np.float64(squares[row])
        for j in range(t + 1):
            mine = _POWERS[lifts[picks[j]]]
            product = 2 * power * (mine * _product(values, picks[j], values[row]))
            spacing[j] = mine * mine * squares[picks[j]] + power * power * square - product
        if chunk < len(values):
            picks[t + 1] = _COVER_ALL(
                values, lifts, squares, rank, nearest, owner, values[row], power, square,
                spacing[: t + 1], chunk,
            )  # fmt: skip
        else:
            picks[t + 1] = _COVER(
                values, lifts, squares, rank, nearest, owner, values[row], power, square,
                spacing[: t + 1], chunk,
            )  # fmt: skip
