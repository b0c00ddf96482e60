import numpy as np
import pytest

from coreset_cli.training import bootstrap
from coreset_cli.training.bootstrap import RESAMPLES, interval_of, resample


def test_spread_over_test_rows_is_the_binomial_one():
    right = np.zeros((1, 400), bool)
    right[0, :300] = True
    means = resample(right, np.arange(400), 0).mean([0], "a")
    assert len(means) == RESAMPLES
    assert means.mean() == pytest.approx(0.75, abs=0.003)
    assert means.std() == pytest.approx(np.sqrt(0.75 * 0.25 / 400), rel=0.08)
    low, high = interval_of(means)
    assert low == pytest.approx(0.75 - 1.96 * 0.02165, abs=0.005)
    assert high == pytest.approx(0.75 + 1.96 * 0.02165, abs=0.005)


def test_gain_is_paired_over_test_rows():
    """Two runs that differ on 20 of 1,000 rows: the spread of the difference is that of the 20."""
    one = np.random.default_rng(0).random(1000) < 0.6
    two = one.copy()
    two[np.flatnonzero(~one)[:20]] = True
    drawn = resample(np.stack([one, two]), np.arange(1000), 0)
    gain = drawn.mean([1], "a") - drawn.mean([0], "random")
    assert gain.std() == pytest.approx(np.sqrt(0.02 * 0.98 / 1000), rel=0.08)


def test_seeds_widen_the_interval():
    """Runs right on all or none of the rows: all spread is over the seeds."""
    right = np.repeat(np.array([[True], [False], [True], [False]]), 500, axis=1)
    means = resample(right, np.arange(500), 0).mean([0, 1, 2, 3], "a")
    assert means.std() == pytest.approx(np.sqrt(0.25 / 4), rel=0.08)


def test_order_of_the_file_and_chunks_change_nothing(monkeypatch):
    right = np.random.default_rng(0).random((2, 90)) < 0.7
    order = np.random.default_rng(1).permutation(90)
    whole = resample(right, np.arange(90), 3).accuracy
    moved = resample(right[:, order], np.argsort(order), 3).accuracy
    np.testing.assert_allclose(moved, whole)
    monkeypatch.setattr(bootstrap, "CHUNK_NUMBERS", 7 * 90)
    np.testing.assert_allclose(resample(right, np.arange(90), 3).accuracy, whole)
    assert not np.allclose(resample(right, np.arange(90), 4).accuracy, whole)


def test_no_variation_is_no_interval():
    means = resample(np.ones((1, 50), bool), np.arange(50), 0).mean([0], "a")
    assert interval_of(means) is None
