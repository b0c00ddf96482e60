"""Influences against the Hessian's factors written out, and against training again."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import spearmanr
from snapshots import drawn_shot, shot_of, whole

from coreset_cli import kernels
from coreset_cli.errors import DoesNotFit, NumericalError
from coreset_cli.kernels import influences as module
from coreset_cli.kernels.gradients import RankOne, last_layer, probabilities
from coreset_cli.kernels.influences import exact_influences, hessian, influences

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


def seen(shot):
    return last_layer(shot, CODES, np.arange(N)), probabilities(shot.logits)


def autograd_hessian(shot):
    """Of the mean cross-entropy in the weights and biases of the last layer, [c·q, c·q]."""
    wide = torch.from_numpy(np.column_stack([shot.feature, np.ones(N)]).astype(float))
    codes = torch.from_numpy(CODES)

    def loss(layer):
        return torch.nn.functional.cross_entropy(wide @ layer.reshape(3, 5).T, codes)

    layer = np.column_stack([shot.weight, shot.bias]).astype(float)
    return torch.autograd.functional.hessian(loss, torch.from_numpy(layer).reshape(-1)).numpy()


def test_the_hessian_is_that_of_autograd():
    shot = drawn_shot(N, 3, 4)
    assert hessian(*seen(shot)) == pytest.approx(autograd_hessian(shot), abs=1e-6)


@pytest.mark.parametrize("most", [module.WHOLE_BYTES, 4 * N * 15])
def test_exact_influences_solve_with_the_damped_hessian(most, monkeypatch):
    """Written out, or by conjugate gradients where it does not fit; a few rows at a time."""
    monkeypatch.setattr(module, "WHOLE_BYTES", most)
    monkeypatch.setattr(module, "BLOCK_VALUES", 100)
    shot = drawn_shot(N, 3, 4)
    gradients, p = seen(shot)
    curved = autograd_hessian(shot)
    curved += 0.02 * np.trace(curved) / 15 * np.eye(15)
    expected = np.linalg.solve(curved, whole(gradients).T).T / N
    found = whole(exact_influences(gradients, p, 0.02))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def fitted(rows, codes, weights, decay, start):
    """[c, q] where the weighted mean cross-entropy, with (decay/2)‖W‖², is least."""

    def loss(packed):
        layer = packed.reshape(start.shape)
        logs = log_softmax(rows @ layer.T, axis=1)
        error = weights[:, None] * (np.exp(logs) - np.eye(len(layer))[codes])
        value = -weights @ logs[np.arange(len(codes)), codes] + decay / 2 * packed @ packed
        return value, (error.T @ rows + decay * layer).ravel()

    limits = {"gtol": 1e-10, "ftol": 0.0, "maxiter": 2000}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=limits)
    return found.x.reshape(start.shape)


def test_leaving_a_row_out_moves_the_parameters_as_foretold():
    """Logistic regression, trained again without each row; the error is of order 1/n."""
    rng = np.random.default_rng(0)
    feature = rng.normal(size=(N, 2)).astype(np.float32)
    codes = (feature[:, 0] + rng.normal(size=N) > 0).astype(int)
    wide = np.column_stack([feature, np.ones(N)]).astype(float)
    shares = np.full(N, 1 / N)
    decay = 0.05
    layer = fitted(wide, codes, shares, decay, np.zeros((2, 3)))
    shot = shot_of(feature, layer[:, :2], layer[:, 2])
    gradients, p = last_layer(shot, codes, np.arange(N)), probabilities(shot.logits)
    mean_eigenvalue = np.trace(hessian(gradients, p)) / 6
    foretold = whole(exact_influences(gradients, p, decay / mean_eigenvalue))
    moved = np.stack(
        [
            (fitted(wide, codes, shares * (np.arange(N) != i), decay, layer) - layer).ravel()
            for i in range(N)
        ]
    )
    sizes = np.linalg.norm(moved, axis=1)
    assert np.median(np.linalg.norm(foretold - moved, axis=1) / sizes) < 0.04
    assert spearmanr(np.linalg.norm(foretold, axis=1), sizes).statistic > 0.99


def test_exact_influences_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(kernels.gradients, "WHOLE_BYTES", 4 * N * 15 - 1)
    with pytest.raises(DoesNotFit, match="hessian=factors"):
        exact_influences(*seen(drawn_shot(N, 3, 4)), 0.01)


def test_conjugate_gradients_that_do_not_end_are_refused(monkeypatch):
    monkeypatch.setattr(module, "WHOLE_BYTES", 4 * N * 15)
    monkeypatch.setattr(module, "STEPS", 2)
    with pytest.raises(NumericalError, match="damping"):
        exact_influences(*seen(drawn_shot(N, 3, 4)), 0.01)


@pytest.mark.parametrize("most", [module.WHOLE_BYTES, 16])
def test_one_hot_probabilities_move_by_their_gradients(most, monkeypatch):
    monkeypatch.setattr(module, "WHOLE_BYTES", most)
    gradients = RankOne(left=np.array([[1.0, -1]]), right=np.eye(2)[:1])
    found = whole(exact_influences(gradients, np.eye(2)[:1], 0.01))
    assert found == pytest.approx(whole(gradients))
