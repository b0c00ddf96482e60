"""The loops of `ahead` as numba compiles them."""

# mypy: ignore-errors

import numba
import numpy as np

from coreset_cli.kernels.loops import POWERS
from coreset_cli.kernels.machine_code import machine_code

__all__ = ["cover_all", "guess", "guess_far", "settle", "verify"]

_POWERS = POWERS.numpy()


@machine_code(inline="always")
def _product(values, i, points, b):
    total = np.int32(0)
    for j in range(points.shape[1]):
        total = np.int32(total + np.int32(np.int32(values[i, j]) * np.int32(points[b, j])))
    return total


@machine_code()
def _leader(score, rank):
    best = 0
    for i in range(1, len(score)):
        if score[i] > score[best] or (score[i] == score[best] and rank[i] < rank[best]):
            best = i
    return best


@machine_code(parallel=True)
def guess(values, lifts, rank, state, pull, factor, chunk, picks, scores):
    """Write the next picks of a pool, and their scores, as if there were no other rows."""
    n = len(values)
    parts = (n + chunk - 1) // chunk
    for b in range(len(picks)):
        best = _leader(state, rank)
        picks[b], scores[b] = best, state[best]
        state[best] = -np.inf
        if b + 1 < len(picks):
            step = factor * _POWERS[lifts[best]]
            for part in numba.prange(parts):
                for i in range(part * chunk, min(n, part * chunk + chunk)):
                    product = step * _POWERS[lifts[i]] * _product(values, i, values, best)
                    state[i] = state[i] + (pull[i] - product)


@machine_code(parallel=True)
def verify(
    values, lifts, rank, state, pull, known, points, factors, scores, ranks, chunk, products
):
    """Write every row's products with the guesses; say how many no unknown row comes before."""
    n = len(values)
    parts = (n + chunk - 1) // chunk
    held = np.full(parts, len(points), np.int64)
    for part in numba.prange(parts):
        first = len(points)
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            for b in range(len(points)):
                products[i, b] = _product(values, i, points, b)
            if not known[i]:
                power = _POWERS[lifts[i]]
                score = state[i]
                for b in range(1, first):
                    score = score + (pull[i] - factors[b - 1] * power * products[i, b - 1])
                    if score > scores[b] or (score == scores[b] and rank[i] < ranks[b]):
                        first = b
                        break
        held[part] = first
    return held.min()


@machine_code(parallel=True)
def settle(lifts, rank, state, pull, products, factors, chunk, leaders):
    """Match the guesses that held in every score; write the leader of every chunk."""
    n = len(state)
    for part in numba.prange(len(leaders)):
        best = part * chunk
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            power = _POWERS[lifts[i]]
            for b in range(len(factors)):
                state[i] = state[i] + (pull[i] - factors[b] * power * products[i, b])
            if state[i] > state[best] or (state[i] == state[best] and rank[i] < rank[best]):
                best = i
        leaders[part] = best


@machine_code(parallel=True)
def guess_far(rows, nearest, owner, bound, picked_rows, done, chunk, picks, scores, spacing):
    """Write the next picks of a pool while they are farther than all rows outside; say how many."""
    values, lifts, squares, rank = rows
    picked, picked_lifts, picked_squares, picked_rank = picked_rows
    n = len(values)
    parts = (n + chunk - 1) // chunk
    for b in range(len(picks)):
        best = _leader(nearest, rank)
        if not nearest[best] > bound:
            return b
        picks[b], scores[b] = best, nearest[best]
        nearest[best] = -np.inf
        last = done + b
        for j in range(values.shape[1]):
            picked[last, j] = values[best, j]
        picked_lifts[last], picked_squares[last] = lifts[best], squares[best]
        picked_rank[last] = rank[best]
        power = _POWERS[lifts[best]]
        length = power * power * squares[best]
        pieces = (last + chunk) // chunk
        for part in numba.prange(pieces):
            for t in range(part * chunk, min(last + 1, part * chunk + chunk)):
                mine = _POWERS[picked_lifts[t]]
                product = 2 * power * (_product(picked, t, values, best) * mine)
                spacing[b, t] = (mine * mine * picked_squares[t] + length) - product
        for part in numba.prange(parts):
            for i in range(part * chunk, min(n, part * chunk + chunk)):
                if 4 * nearest[i] > spacing[b, owner[i]]:
                    mine = _POWERS[lifts[i]]
                    product = 2 * mine * power * _product(values, i, values, best)
                    away = max(0.0, (mine * mine * squares[i] + length) - product)
                    if away < nearest[i]:
                        nearest[i] = away
                        owner[i] = last
    return len(picks)


@machine_code(parallel=True)
def cover_all(rows, nearest, owner, picks, spacing, done, chunk):
    """Lower the squared distances to the nearest pick, pick after pick."""
    values, lifts, squares, _ = rows
    points, point_lifts, point_squares, _ = picks
    n = len(values)
    for part in numba.prange((n + chunk - 1) // chunk):
        for i in range(part * chunk, min(n, part * chunk + chunk)):
            for b in range(len(points)):
                power = _POWERS[point_lifts[b]]
                length = power * power * point_squares[b]
                if 4 * nearest[i] > spacing[b, owner[i]]:
                    mine = _POWERS[lifts[i]]
                    product = 2 * mine * power * _product(values, i, points, b)
                    away = max(0.0, (mine * mine * squares[i] + length) - product)
                    if away < nearest[i]:
                        nearest[i] = away
                        owner[i] = done + b
