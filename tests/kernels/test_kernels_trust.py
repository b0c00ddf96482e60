"""How far a row and its label are to be trusted: on blobs whose corruption is known."""

import numpy as np
import pytest
from clouds import points_of

from coreset_cli.kernels import trust
from coreset_cli.kernels.trust import trusts

REACH = 4.0


def blobs(n=800, d=16, c=4, apart=1.5, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % c
    rows = apart * rng.normal(size=(c, d))[codes] + rng.normal(size=(n, d))
    return rows.astype(np.float32), codes


def noisy(codes, share, seed=1):
    rng = np.random.default_rng(seed)
    c, labels = int(codes.max()) + 1, codes.copy()
    wrong = rng.permutation(len(codes))[: int(share * len(codes))]
    labels[wrong] = (codes[wrong] + rng.integers(1, c, len(wrong))) % c
    return labels


def trust_of(rows, codes, ids=None):
    return trusts(points_of(rows, ids), codes, REACH)


def test_nothing_is_distrusted_where_nothing_is_wrong():
    assert (trust_of(*blobs()) > 0.95).mean() > 0.99


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_wrong_labels_come_last(share):
    rows, codes = blobs()
    labels = noisy(codes, share)
    found = trust_of(rows, labels)
    wrong = labels != codes
    assert (found[wrong] < 0.5).mean() > 0.99
    assert (found[~wrong] > 0.95).mean() > 0.97
    assert 1 - found.mean() == pytest.approx(wrong.mean(), abs=0.02)


def test_outliers_are_at_nothing_and_do_not_harm_the_others():
    rows, codes = blobs()
    bad = np.random.default_rng(3).random(len(rows)) < 0.4
    rows[bad] = 100 + rows[bad] / 100
    found = trust_of(rows, codes)
    assert (found[bad] == 0).all()
    assert (found[~bad] > 0.95).mean() > 0.97


def test_without_labels_rows_are_claimed_or_not():
    rows, _ = blobs()
    rows[7] = 1000
    found = trust_of(rows, None)
    assert set(found) == {0.0, 1.0}
    assert found[7] == 0
    assert found.mean() > 0.98


def test_copies_count_once():
    """45 % are copies of a row with a wrong label; their class is not theirs for that."""
    rows, codes = blobs()
    labels = codes.copy()
    row = int(np.flatnonzero(codes == 0)[0])
    labels[row] = 1
    times = int(0.45 / 0.55 * len(rows))
    rows = np.vstack([rows, np.repeat(rows[[row]], times, axis=0)])
    labels = np.concatenate([labels, np.full(times, 1)])
    found = trust_of(rows, labels)
    assert found[row] < 0.5
    assert (found[len(codes) :] < 0.5).all()
    assert (np.delete(found[: len(codes)], row) > 0.95).mean() > 0.97


def test_only_some_rows_say_how_labels_come_about(monkeypatch):
    rows, codes = blobs()
    labels = noisy(codes, 0.2)
    expected = trust_of(rows, labels)
    monkeypatch.setattr(trust, "SAMPLE_ROWS", 200)
    found = trust_of(rows, labels)
    assert (found != expected).any()
    np.testing.assert_allclose(found, expected, atol=0.3)
    monkeypatch.setattr(trust, "SAMPLE_ROWS", 800)
    monkeypatch.setattr(trust, "SAMPLE_VALUES", 4 * 200)
    assert (trust_of(rows, labels) == found).all()


def test_order_of_rows_changes_next_to_nothing():
    rows, codes = blobs(300)
    labels, ids = noisy(codes, 0.2), np.arange(300) * 7
    order = np.random.default_rng(2).permutation(300)
    found = trust_of(rows, labels, ids)
    shuffled = trust_of(rows[order], labels[order], ids[order])
    np.testing.assert_allclose(shuffled, found[order], atol=1e-6)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
def test_scale_changes_nothing(scale):
    rows, codes = blobs(300)
    labels = noisy(codes, 0.2)
    found = trust_of(rows * np.float32(scale), labels)
    np.testing.assert_allclose(found, trust_of(rows, labels), atol=1e-6)


def test_shift_changes_little():
    rows, codes = blobs(300)
    labels = noisy(codes, 0.2)
    found = trust_of(rows + np.float32(100), labels)
    np.testing.assert_allclose(found, trust_of(rows, labels), atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        (np.zeros((1, 1)), [0]),
        (np.zeros((50, 3)), np.arange(50) % 2),
        (np.arange(60)[:, None], np.arange(60) // 30),
        (np.arange(40)[:, None], np.zeros(40, int)),
        (np.arange(40)[:, None], np.arange(40)),
        (np.full((40, 2), 1e20), np.arange(40) % 3),
        (1e20 * np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 3),
        (1e-20 * np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 3),
        (np.random.default_rng(0).normal(size=(231, 30)), np.repeat(np.arange(77), 3)),
        (np.random.default_rng(0).normal(size=(100, 2)), (np.arange(100) < 2).astype(int)),
    ],
    ids=["one", "equal", "d=1", "one class", "all apart", "large", "huge", "tiny", "77×3", "98:2"],
)
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_every_input_gives_probabilities(rows, codes, kind):
    if kind is np.float16 and np.abs(rows).max() > 1e4:
        return
    found = trust_of(np.asarray(rows, kind), np.asarray(codes, np.int64))
    assert ((found >= 0) & (found <= 1)).all()
