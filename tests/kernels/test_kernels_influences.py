"""Influences against the Hessian's factors written out, and against training again."""

import numpy as np
import pytest
from snapshots import drawn_shot, whole

from coreset_cli.kernels.gradients import RankOne, last_layer, probabilities
from coreset_cli.kernels.influences import influences

N = 80
CODES = np.random.default_rng(7).integers(0, 3, N)


def test_influences_are_those_of_the_damped_factors():
    shot = drawn_shot(N, 3, 4)
    gradients = last_layer(shot, CODES, np.arange(N))
    p = probabilities(shot.logits)
    wide = np.column_stack([shot.feature, np.ones(N)]).astype(float)
    outputs = np.mean([np.diag(row) - np.outer(row, row) for row in p], axis=0)
    inputs = np.mean([np.outer(row, row) for row in wide], axis=0)
    outputs += 0.02 * np.trace(outputs) / 3 * np.eye(3)
    inputs += 0.02 * np.trace(inputs) / 5 * np.eye(5)
    expected = np.linalg.solve(np.kron(outputs, inputs), whole(gradients).T).T / N
    assert whole(influences(gradients, p, 0.02)) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_one_hot_probabilities_have_influences():
    gradients = RankOne(left=np.array([[1.0, -1], [-1, 1]]), right=np.eye(2))
    found = whole(influences(gradients, np.eye(2)[[0, 0]], 0.01))
    assert found == pytest.approx(whole(gradients) / (0.5 + 0.005) / 2)
