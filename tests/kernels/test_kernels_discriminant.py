"""Held-out discriminants, against scikit-learn's, fold by fold."""

import numpy as np
import pytest
import torch
from clouds import points_of
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from coreset_cli.kernels import discriminant, points
from coreset_cli.kernels.discriminant import FOLDS, SHRINKAGE, axes_for, held_out_models


def blobs(n, d, c, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, c, n)
    rows = apart * rng.normal(size=(c, d))[codes] + rng.normal(size=(n, d)) * rng.uniform(1, 3, d)
    return rows.astype(np.float32), codes


def logits_of(rows, codes, use=None, ids=None):
    c = int(codes.max()) + 1
    here = points_of(rows, ids)
    models, fold = held_out_models(here, codes, c, np.ones(len(rows), bool) if use is None else use)
    found = np.full((len(rows), c), np.nan)
    for start, block in models.logits(here, fold):
        found[start : start + len(block)] = block.numpy()
    return found, fold


def test_as_scikit_learn_on_the_other_folds(monkeypatch):
    monkeypatch.setattr(points, "KEPT_BYTES", 0)
    monkeypatch.setattr(points, "BLOCK_BYTES", 8 * 5 * 33)  # many blocks of rows,
    monkeypatch.setattr(discriminant, "LOGIT_VALUES", 3 * 10)  # and of logits
    rows, codes = blobs(400, 5, 3)
    rows += 7
    use = np.random.default_rng(1).random(400) < 0.8
    found, fold = logits_of(rows, codes, use)
    for number in range(FOLDS):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
        model.fit(rows[use & (fold != number)], codes[use & (fold != number)])
        expected = model.predict_log_proba(rows[fold == number])
        np.testing.assert_allclose(
            log_softmax(found[fold == number], axis=1), expected, rtol=1e-4, atol=1e-4
        )


def test_every_class_is_in_every_fold_as_often():
    _, codes = blobs(403, 2, 7)
    fold = logits_of(np.zeros((403, 2), np.float32), codes)[1]
    counts = np.array([np.bincount(fold[codes == one], minlength=FOLDS) for one in range(7)])
    assert (counts.max(1) - counts.min(1) <= 1).all()


def test_a_row_is_judged_by_models_that_have_not_seen_it():
    rows, codes = blobs(200, 4, 2)
    before, fold = logits_of(rows, codes)
    rows[17] += 1000
    after, same = logits_of(rows, codes)
    assert (fold == same).all()
    mine = fold == fold[17]
    mine[17] = False
    # the directions and the origin are those of all rows; here they span everything
    np.testing.assert_allclose(
        log_softmax(after[mine], axis=1), log_softmax(before[mine], axis=1), rtol=1e-4, atol=1e-4
    )
    assert not np.allclose(after[fold != fold[17]], before[fold != fold[17]], rtol=1e-2)


def test_axes_are_the_directions_of_largest_variance():
    """300 rows see 30 of 100 directions, nearly those of the singular values."""
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    rows = ((rng.normal(size=(300, 100)) * 0.8 ** np.arange(100)) @ turn).astype(np.float32)
    models, _ = held_out_models(points_of(rows), np.arange(300) % 3, 3, np.ones(300, bool))
    axes = models.axes.numpy()
    assert axes.shape == (100, axes_for(300)) == (100, 30)
    np.testing.assert_allclose(axes.T @ axes, np.eye(30), atol=1e-12)
    centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    best = (np.linalg.svd(centred)[1][:30] ** 2).sum()
    assert ((centred @ axes) ** 2).sum() > (1 - 1e-6) * best


def test_axes_of_many_rows_are_sought_in_some(monkeypatch):
    rows, codes = blobs(400, 6, 3)
    expected = logits_of(rows, codes)[0]
    monkeypatch.setattr(discriminant, "SAMPLE_ROWS", 50)
    found = logits_of(rows, codes)[0]  # they span everything all the same
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_scale_changes_nothing(scale):
    rows, codes = blobs(200, 4, 3)
    expected = logits_of(rows, codes)[0]
    found = logits_of((rows * np.float32(scale)).astype(np.float32), codes)[0]
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e20])
def test_constant_rows_go_by_shares(value):
    codes = np.repeat([0, 1], [60, 20])
    found, _ = logits_of(np.full((80, 3), value, np.float32), codes)
    np.testing.assert_allclose(log_softmax(found, axis=1), np.log([[0.75, 0.25]] * 80), rtol=1e-9)


def test_a_class_that_a_fold_has_not_seen_is_hardly_ever_claimed():
    rows, codes = blobs(60, 3, 2)
    codes[5] = 2  # its only row
    found, fold = logits_of(rows, codes)
    assert np.isfinite(found).all()
    mine = log_softmax(found[fold == fold[5]], axis=1)
    assert (mine[:, 2] < np.log(1e-3)).all()


def test_classes_without_spread_inside_are_told_apart():
    codes = np.arange(80) % 4
    rows = np.eye(4, dtype=np.float32)[codes]
    found, _ = logits_of(rows, codes)
    assert (found.argmax(1) == codes).all()
    assert torch.isfinite(torch.from_numpy(found)).all()
