"""The probe: what it learns, what decides it, and that nothing leaks into held-out logits."""

import numpy as np
import pyarrow as pa
import pytest
from clouds import ids_of, points_of
from sklearn.linear_model import LogisticRegression

from coreset_cli.artifacts.labels import make_labels
from coreset_cli.artifacts.signals import read_signals, write_signals
from coreset_cli.errors import InvalidParameter
from coreset_cli.selector import needs
from coreset_cli.training.probe import ProbeRecipe, train_probe

ALL = needs("dynamics", "early", "held_out", "last")


def blobs(n=300, d=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return (rng.normal(size=(n, d)) + 2 * np.eye(3, d)[labels]).astype(np.float32), labels


def probe(rows, labels, ids=None, seed=0, wanted=ALL, **settings):
    return train_probe(
        points_of(rows, ids),
        ids_of(len(rows), ids),
        make_labels(pa.array(labels), "labels"),
        ProbeRecipe(**settings),
        seed=seed,
        needs=wanted,
    )


def softmax(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_a_linear_probe_comes_near_to_logistic_regression():
    rows, labels = blobs(600)
    found = probe(rows, labels, epochs=60, wanted=needs("last")).last
    scaled = (rows - rows.mean(0)) / rows.std(0)
    model = LogisticRegression(C=1 / (0.01 * len(rows)), tol=1e-8).fit(scaled, labels)
    assert np.abs(softmax(found.logits) - model.predict_proba(scaled)).max() < 0.02


@pytest.mark.parametrize("hidden", [0, 16])
def test_pictures_are_of_one_network(hidden):
    found = probe(*blobs(), hidden=hidden)
    assert [shot.epoch for shot in found.snapshots] == [10, 30]
    for shot in found.snapshots:
        again = shot.feature @ shot.weight.T + shot.bias
        assert shot.logits == pytest.approx(again, abs=1e-4)
    assert found.dynamics.correct.shape == (300, 30)
    assert found.dynamics.correct[:, -1].mean() > 0.8


@pytest.mark.parametrize("hidden", [0, 8])
def test_the_order_of_rows_changes_nothing(hidden):
    rows, labels = blobs()
    order = np.random.default_rng(1).permutation(len(rows))
    ids = np.arange(len(rows)) * 3
    one = probe(rows, labels, ids, hidden=hidden).take(order)
    two = probe(rows[order], labels[order], ids[order], hidden=hidden)
    assert one.ids.values == two.ids.values
    assert np.array_equal(one.held_out, two.held_out)
    assert np.array_equal(one.last.logits, two.last.logits)
    assert np.array_equal(one.dynamics.p_true, two.dynamics.p_true)


def test_the_seed_decides():
    rows, labels = blobs()
    assert not np.array_equal(
        probe(rows, labels, seed=1).held_out, probe(rows, labels, seed=2).held_out
    )


def test_labels_of_a_row_do_not_reach_its_held_out_logits():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(60, 80)).astype(np.float32), rng.integers(0, 2, 60)
    found = probe(rows, labels, decay=0.0)
    assert (found.last.logits.argmax(1) == labels).all()
    assert 0.2 < (found.held_out.argmax(1) == labels).mean() < 0.8
    other = labels.copy()
    other[7] = 1 - labels[7]
    fold_of_others = probe(rows, other, decay=0.0, wanted=needs("held_out")).held_out
    assert not np.array_equal(fold_of_others, found.held_out)


def test_a_class_that_a_fold_never_saw_has_probability_0():
    rows, labels = blobs()
    labels[labels == 2] = 1
    labels[5] = 2
    found = softmax(probe(rows, labels, wanted=needs("held_out")).held_out.astype(np.float64))
    assert found[5, 2] == 0
    assert (found[:5, 2] > 0).any()


def test_only_what_is_needed_is_there():
    found = probe(*blobs(), wanted=needs("held_out"))
    assert found.dynamics.p_true.shape == (300, 0)
    assert found.snapshots == ()
    assert probe(*blobs(), wanted=needs("last")).held_out is None


def test_gross_outliers_leave_a_probe_that_learns():
    rows, labels = blobs()
    rows[::10] *= 1e6
    found = probe(rows, labels)
    assert np.isfinite(found.held_out).all()


def test_constant_features_and_few_rows():
    assert np.isfinite(probe(np.ones((4, 3), np.float32), [0, 1, 0, 1]).held_out).all()


def test_signals_of_a_probe_can_be_written(tmp_path):
    found = probe(*blobs())
    write_signals(tmp_path / "a.parquet", found)
    again = read_signals(tmp_path / "a.parquet")
    assert np.array_equal(again.held_out, found.held_out)
    assert again.record.recipe == found.record.recipe


def test_impossible_settings_are_refused():
    with pytest.raises(InvalidParameter, match="above 0"):
        ProbeRecipe(epochs=0)
    with pytest.raises(InvalidParameter, match="2 classes"):
        probe(*(blobs()[0], np.zeros(300, int)))
