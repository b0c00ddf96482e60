"""Orthogonal matching pursuit: worked by hand, and each step against SciPy's solver."""

from itertools import pairwise

import numpy as np
import pytest
from clouds import ignore
from scipy.optimize import nnls
from snapshots import drawn_matrices, vectors, whole

from coreset_cli.kernels.gradients import RankOne
from coreset_cli.kernels.pursuit import pursue

JITTER = 1e-12


def pursued(matrices, target, k, ridge=0.0, tolerance=1e-6):
    return pursue(matrices, target, k, ridge=ridge, tolerance=tolerance, progress=ignore)


def best_weights(long, target, ridge):
    """Weights ≥ 0 of all columns: least squares over the matrix and √λ times the identity."""
    tall = np.vstack([long.T, np.sqrt(ridge) * np.eye(len(long))])
    return nnls(tall, np.concatenate([target, np.zeros(len(long))]), maxiter=1000)[0]


def plain(long, target, k, ridge, tolerance):
    """The pursuit in ten lines: SciPy solves for all weights at each step."""
    support, weights, left, objectives = [], np.empty(0), target, []
    for _ in range(2 * k):
        if len(support) == k or np.linalg.norm(left) <= tolerance * np.linalg.norm(target):
            break
        pull = long @ left
        pull[support] = -np.inf
        if pull.max() <= 0:
            break
        support.append(int(pull.argmax()))
        weights = best_weights(long[support], target, ridge)
        support = [row for row, weight in zip(support, weights, strict=True) if weight > 0]
        weights = weights[weights > 0]
        left = target - weights @ long[support]
        objectives.append(left @ left + ridge * weights @ weights)
    return support, weights, left, objectives


def test_hand_worked_pursuits():
    found = pursued(vectors([[1, 0], [0, 1], [1, 1]]), np.array([[2.0, 2.0]]), 3)
    assert found.rows.tolist() == [2]
    assert found.weights == pytest.approx([2])
    assert found.residual == pytest.approx(0, abs=1e-9)
    matrices = vectors([[1, 0], [0, 1], [0.6, 0.8]])
    first = pursued(matrices, np.array([[3.0, 1.0]]), 1)
    assert (first.rows.tolist(), first.weights) == ([0], pytest.approx([3]))
    assert first.residual == pytest.approx(1 / np.sqrt(10))
    both = pursued(matrices, np.array([[3.0, 1.0]]), 2)
    assert (both.rows.tolist(), both.weights) == ([0, 1], pytest.approx([3, 1]))
    assert both.residual == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_pursuits_are_those_with_scipy(seed, ridge):
    matrices = drawn_matrices(60, 3, 4, seed)
    long, target = whole(matrices), np.abs(np.random.default_rng(seed).normal(size=(3, 4))) * 20
    for k in (1, 4, 11, 25):
        found = pursued(matrices, target, k, ridge)
        used = max(ridge, JITTER) * np.mean((long**2).sum(1))
        rows, weights, left, objectives = plain(long, target.ravel(), k, used, 1e-6)
        assert found.rows.tolist() == rows
        assert found.weights == pytest.approx(weights, rel=1e-4)
        assert found.residual == pytest.approx(
            np.linalg.norm(left) / np.linalg.norm(target), abs=1e-6
        )
        assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_some_of_these_pursuits_drop_rows():
    dropped = 0
    for seed in range(6):
        matrices = drawn_matrices(60, 3, 4, seed)
        target = np.abs(np.random.default_rng(seed).normal(size=(3, 4))) * 20
        kept = [set(pursued(matrices, target, k).rows.tolist()) for k in range(1, 12)]
        dropped += sum(bool(now - after) for now, after in pairwise(kept))
    assert dropped


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_weights_are_above_0_and_the_best_there_are(ridge):
    matrices = drawn_matrices(300, 4, 10, 1)
    target = matrices.total()
    found = pursued(matrices, target, 60, ridge)
    long = whole(matrices)
    used = max(ridge, JITTER) * np.mean((long**2).sum(1))
    assert (found.weights > 0).all()
    expected = best_weights(long[found.rows], target.ravel(), used)
    assert found.weights == pytest.approx(expected, rel=1e-5)


def test_all_rows_meet_their_sum():
    matrices = drawn_matrices(30, 3, 4)
    assert pursued(matrices, matrices.total(), 30, tolerance=1e-4).residual <= 1e-4


def test_scale_changes_neither_rows_nor_weights():
    matrices = drawn_matrices(80, 3, 4)
    large = RankOne(left=matrices.left * 256, right=matrices.right)
    one = pursued(matrices, matrices.total(), 20, 0.5)
    other = pursued(large, large.total(), 20, 0.5)
    assert one.rows.tolist() == other.rows.tolist()
    assert one.weights == pytest.approx(other.weights)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_twins_go_by_index(ridge):
    matrices = drawn_matrices(20, 3, 40).take(np.repeat(np.arange(20), 3))
    found = pursued(matrices, matrices.total(), 60 if ridge else 15, ridge)
    first = {}
    for place, row in enumerate(found.rows.tolist()):
        assert all(first.get(twin) is not None for twin in range(row - row % 3, row))
        first[row] = place
    assert np.isfinite(found.weights).all()


def test_a_target_of_nothing_takes_nothing():
    found = pursued(drawn_matrices(5, 2, 3), np.zeros((2, 3)), 3)
    assert (len(found.rows), found.residual) == (0, 0)


def test_nothing_that_points_there_is_taken():
    found = pursued(vectors([[-1, 0], [0, -2]]), np.array([[1.0, 1.0]]), 2)
    assert (len(found.rows), found.residual) == (0, 1)
