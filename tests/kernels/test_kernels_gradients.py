"""Closed forms of the last layer, against autograd and against matrices written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from snapshots import drawn_matrices, drawn_shot, shot_of_logits, whole

from coreset_cli.errors import NotFinite
from coreset_cli.kernels import gradients as module
from coreset_cli.kernels.gradients import curvature, last_layer, probabilities, residual

N, C, D = 12, 4, 5
CODES = np.random.default_rng(1).integers(0, C, N)
ALL = np.arange(N)
SOME, OTHERS = np.array([3, 0, 7]), np.array([1, 3, 11, 5])


def losses(layer, shot, codes):
    """[n] cross-entropy of each row as a function of the layer [c, d + 1]."""
    feature = torch.from_numpy(shot.feature).double()
    logits = feature @ layer[:, :-1].T + layer[:, -1]
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(codes), reduction="none")


def layer_of(shot):
    return torch.from_numpy(np.column_stack([shot.weight, shot.bias])).double()


def test_gradients_are_those_of_autograd():
    shot = drawn_shot(N, C, D)
    expected = torch.func.jacrev(losses)(layer_of(shot), shot, CODES)
    found = whole(last_layer(shot, CODES, ALL))
    assert found == pytest.approx(expected.reshape(N, -1).numpy(), rel=1e-5, abs=1e-6)


def test_curvature_is_the_diagonal_of_the_hessian():
    shot = drawn_shot(N, C, D)
    hessian = torch.func.jacrev(torch.func.jacrev(losses))(layer_of(shot), shot, CODES)
    hessian = hessian.reshape(N, C * (D + 1), C * (D + 1))
    expected = torch.diagonal(hessian, dim1=1, dim2=2).numpy()
    assert whole(curvature(shot, ALL)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_hand_worked_norms():
    shot = shot_of_logits(np.log([[0.7, 0.2, 0.1]]), [[3, 4]])
    rows = last_layer(shot, np.array([0]), np.array([0]))
    assert np.linalg.norm(rows.left) == pytest.approx(0.374166, abs=1e-6)
    assert rows.norms == pytest.approx([1.907878], abs=1e-6)


@pytest.mark.parametrize("block", [1, 1 << 22])
def test_closed_forms_are_those_of_the_matrices_written_out(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    monkeypatch.setattr(module, "KEPT_BYTES", block)
    rows = drawn_matrices(N, C, D)
    long = whole(rows)
    matrix = np.random.default_rng(2).normal(size=(C, D))
    weights = np.random.default_rng(3).random(N)
    assert rows.norms == pytest.approx(np.linalg.norm(long, axis=1))
    assert rows.inner(matrix) == pytest.approx(long @ matrix.ravel())
    assert rows.gram(SOME, OTHERS) == pytest.approx(long[SOME] @ long[OTHERS].T)
    assert rows.columns(SOME) == pytest.approx(long[SOME] @ long.T)
    assert rows.total().ravel() == pytest.approx(long.sum(0))
    assert rows.total(weights).ravel() == pytest.approx(weights @ long)
    assert rows.variance().ravel() == pytest.approx(long.var(0))
    assert whole(rows.squared()) == pytest.approx(long**2)
    assert rows.entries(np.array([0, 7, 19])) == pytest.approx(long[:, [0, 7, 19]])
    apart = np.linalg.norm(long[SOME, None] - long[None], axis=2)
    assert rows.distances(SOME) == pytest.approx(apart)
    assert whole(rows.take(SOME)) == pytest.approx(long[SOME])


def test_variance_of_curvature_is_that_of_its_entries():
    rows = curvature(drawn_shot(N, C, D), ALL)
    assert rows.variance().ravel() == pytest.approx(whole(rows).var(0))


def test_copies_are_at_no_distance():
    rows = drawn_matrices(40, 10, 100).take(np.repeat(np.arange(40), 3))
    apart = rows.distances(np.arange(120)).reshape(40, 3, 40, 3)
    assert all((apart[i, :, i] == 0).all() for i in range(40))
    assert (apart.max(axis=(1, 3)) > 0).sum() == 40 * 39


def test_well_fitted_rows_keep_their_gradient_and_curvature():
    shot = shot_of_logits([[60, 0, 1]], [[1]])
    error = residual(shot.logits, np.array([0]))[0]
    others = np.exp([-60.0, -59.0])
    assert error == pytest.approx([-others.sum(), *others], rel=1e-9, abs=0)
    assert curvature(shot, np.array([0])).left[0] == pytest.approx(
        [others.sum(), *others], rel=1e-9, abs=0
    )


def test_perfectly_fitted_rows_have_no_gradient():
    shot = shot_of_logits([[2000, 0], [0, 0]], [[1], [1]])
    rows = last_layer(shot, np.array([0, 0]), np.arange(2))
    assert rows.norms[0] == 0
    assert rows.distances(np.arange(2)) == pytest.approx(1 - np.eye(2))


def test_probabilities_stand_large_logits():
    found = probabilities(np.float32([[3e38, 0, -3e38], [1e5, 1e5, 0]]))
    assert found.tolist() == [[1, 0, 0], [0.5, 0.5, 0]]


def test_rows_come_in_the_order_asked_for():
    shot = drawn_shot(N, C, D)
    order = np.random.default_rng(4).permutation(N)
    assert (
        whole(last_layer(shot, CODES, order)).tolist()
        == whole(last_layer(shot, CODES, ALL))[order].tolist()
    )
    assert whole(curvature(shot, order)).tolist() == whole(curvature(shot, ALL))[order].tolist()


@pytest.mark.parametrize("field", ["logits", "feature"])
def test_what_is_not_finite_is_refused(field):
    shot = drawn_shot(N, C, D)
    values = getattr(shot, field).copy()
    values[[2, 5], 1] = [np.nan, np.inf]
    with pytest.raises(NotFinite, match="2 of 12 rows hold NaN or Inf"):
        last_layer(replace(shot, **{field: values}), CODES, ALL)
