"""Sets of matrices that cancel, against brute force."""

from itertools import combinations

import numpy as np
import pytest
from clouds import ignore
from snapshots import drawn_matrices, vectors, whole

from coreset_cli.kernels.cancelling import _Swaps, cancelling, norm_of_sum
from coreset_cli.kernels.gradients import RankOne


def cancelled(matrices, m, seed=0):
    random = np.random.default_rng(seed)
    return cancelling(matrices, random.permutation(matrices.n)[:m], random, ignore)


def norm(matrices, rows):
    return np.linalg.norm(whole(matrices)[list(rows)].sum(0))


def test_hand_worked_case():
    for seed in range(5):
        assert cancelled(vectors([[3], [-3], [1], [5]]), 2, seed).tolist() == [0, 1]


@pytest.mark.parametrize("m", [2, 4, 7])
def test_small_sets_are_near_the_best(m):
    best, found, random = [], [], []
    for seed in range(5):
        matrices = drawn_matrices(10, 2, 2, seed)
        norms = [norm(matrices, rows) for rows in combinations(range(10), m)]
        best.append(min(norms))
        random.append(np.mean(norms))
        found.append(norm(matrices, cancelled(matrices, m, seed)))
        assert found[-1] >= best[-1] - 1e-9
    assert np.mean(found) < np.mean(best) + 0.15 * (np.mean(random) - np.mean(best))


def test_no_swap_of_one_improves_much():
    matrices = drawn_matrices(200, 3, 6)
    rows = cancelled(matrices, 120)
    start = np.random.default_rng(0).permutation(200)[:120]
    assert len(np.unique(rows)) == 120
    assert norm_of_sum(matrices, rows) == pytest.approx(norm(matrices, rows))
    assert norm(matrices, rows) < 0.3 * norm(matrices, start)


def test_matrices_of_nothing_leave_out_the_last():
    nothing = RankOne(left=np.zeros((9, 2)), right=np.ones((9, 3)))
    assert cancelled(nothing, 4).tolist() == [5, 6, 7, 8]


def test_what_a_swap_changes_is_what_it_changed():
    matrices = drawn_matrices(30, 3, 4)
    ins, outs = [0, 5, 11], [3, 17, 3]
    changes = _Swaps(matrices, np.arange(12)).changes(np.array(ins), np.array(outs))
    for inside, outside, change in zip(ins, outs, changes.tolist(), strict=True):
        swaps = _Swaps(matrices, np.arange(12))
        before = swaps.objective
        swaps.swap(inside, outside, change)
        after = norm(matrices, swaps.inside) ** 2
        assert change == pytest.approx(after - before)
        assert swaps.objective == pytest.approx(after)
        assert np.linalg.norm(swaps._sum) ** 2 == pytest.approx(after)
        swaps.exchange(inside, outside)
        assert swaps.inside.tolist() == list(range(12))


@pytest.mark.parametrize("seed", range(5))
def test_no_exchange_of_the_best_is_left(seed):
    matrices = drawn_matrices(60, 3, 6, seed)
    long, rows = whole(matrices), cancelled(matrices, 40, seed).tolist()
    total = long[rows].sum(0)
    out = min(rows, key=lambda row: np.linalg.norm(total - long[row]))
    without = total - long[out]
    others = [row for row in range(60) if row not in rows or row == out]
    best = min(np.linalg.norm(without + long[row]) for row in others)
    assert best >= np.linalg.norm(total) * (1 - 1e-9)
