"""How labels come about: known shares are found again, posteriors are Bayes's, by hand."""

import numpy as np
import pytest
from scipy.special import softmax

from coreset_cli.kernels import mislabelling
from coreset_cli.kernels.mislabelling import START, Even, Free, fitted


def drawn(m, transition, temperature=1.0, *, sharp=4.0, shares=None, seed=0):
    """Logits, classes drawn from them as `temperature` says, and labels as `transition` does."""
    rng = np.random.default_rng(seed)
    c = len(transition)
    near = rng.choice(c, size=m, p=shares)
    logits = rng.normal(size=(m, c)) + sharp * np.eye(c)[near]
    classes = [rng.choice(c, p=one) for one in softmax(logits / temperature, axis=1)]
    labels = np.array([rng.choice(c, p=transition[one]) for one in classes])
    return logits, np.array(classes), labels


def evenly(c, share, shares=None):
    """[c, c] a share of wrong labels, that fall on the others by their shares."""
    spread = np.tile(np.full(c, 1 / c) if shares is None else shares, (c, 1))
    np.fill_diagonal(spread, 0)
    return (1 - share) * np.eye(c) + share * spread / spread.sum(1, keepdims=True)


FLIPS = np.array([[0.7, 0.3, 0], [0, 0.9, 0.1], [0, 0, 1]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.4])
def test_an_even_share_and_the_temperature_are_found(share, temperature):
    sharp = 4.0 * temperature
    logits, _, labels = drawn(4000, evenly(4, share), temperature, sharp=sharp)
    found = fitted(logits, labels)
    assert isinstance(found, Even)
    assert found.wrong == pytest.approx(share, abs=0.03)
    assert found.temperature == pytest.approx(temperature, rel=0.2)


def test_clean_labels_of_sharp_logits_are_right():
    logits, _, labels = drawn(2000, np.eye(5), sharp=8.0)
    found = fitted(logits, labels)
    assert isinstance(found, Even)
    assert found.wrong < 0.005
    assert (found.right(logits, labels) > 0.95).mean() > 0.98


def test_classes_that_overlap_are_no_wrong_labels():
    """Half of the rows are claimed by another class, and no label is wrong."""
    logits, classes, labels = drawn(5000, np.eye(4), sharp=0.8)
    assert (logits.argmax(1) != classes).mean() > 0.4
    found = fitted(logits, labels)
    assert isinstance(found, Even)
    assert found.wrong < 0.05
    assert found.right(logits, labels).mean() > 0.95


def test_flips_between_two_classes_are_found():
    logits, _, labels = drawn(5000, FLIPS)
    found = fitted(logits, labels)
    assert isinstance(found, Free)
    np.testing.assert_allclose(found.transition, FLIPS, atol=0.04)
    np.testing.assert_allclose(found.transition.sum(1), 1, rtol=1e-12)


def test_flips_are_found_in_classes_of_unequal_size():
    """A full transition has 90 numbers for 3,000 labels; half the logarithm each were too many."""
    shares = np.array([0.27, 0.19, 0.14, 0.1, 0.08, 0.07, 0.06, 0.04, 0.03, 0.02])
    flips = 0.9 * np.eye(10) + 0.1 * np.roll(np.eye(10), 1, axis=1)
    logits, _, labels = drawn(3000, flips, shares=shares)
    found = fitted(logits, labels)
    assert isinstance(found, Free)
    assert found.transition.diagonal()[:5].mean() == pytest.approx(0.9, abs=0.05)


def test_few_labels_are_not_estimated_entry_by_entry():
    logits, _, labels = drawn(89, FLIPS)
    assert isinstance(fitted(logits, labels), Even)


@pytest.mark.parametrize("transition", [evenly(3, 0.25), FLIPS])
def test_trust_is_calibrated(transition):
    """Of rows trusted about so far, about so many are right."""
    logits, classes, labels = drawn(6000, transition, sharp=3.0)
    trust = fitted(logits, labels).right(logits, labels)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.01)):
        some = (trust >= low) & (trust < high)
        assert (classes == labels)[some].mean() == pytest.approx(trust[some].mean(), abs=0.07)


def test_bayes_by_hand():
    """Classes at 0.8 and 0.2, shares 0.75 and 0.25, a quarter of the labels wrong.

    Label 0: 0.8·0.75 against 0.2·0.25 (all of it falls on 0), 12/13. Label 1: 0.2·0.75 against
    0.8·0.25, 3/7. At temperature 2 the odds of 4 are 2: 6/7.
    """
    logits = np.log([[0.8, 0.2], [0.8, 0.2]])
    even = Even(1.0, 0.25, np.array([0.75, 0.25]))
    np.testing.assert_allclose(even.right(logits, np.array([0, 1])), [12 / 13, 3 / 7], rtol=1e-12)
    cooler = Even(2.0, 0.25, np.array([0.75, 0.25]))
    np.testing.assert_allclose(cooler.right(logits[:1], np.array([0])), [6 / 7], rtol=1e-12)
    free = Free(1.0, np.array([[0.5, 0.5], [0.1, 0.9]]))
    np.testing.assert_allclose(
        free.right(logits, np.array([0, 1])), [0.4 / 0.42, 0.18 / 0.58], rtol=1e-12
    )


def test_even_is_free_with_one_number(monkeypatch):
    """Whatever the blocks."""
    shares = np.array([0.5, 0.2, 0.3])
    logits, _, labels = drawn(200, evenly(3, 0.3, shares), shares=shares)
    free = Free(1.7, evenly(3, 0.3, shares))
    monkeypatch.setattr(mislabelling, "BLOCK_VALUES", 3 * 7)
    even = Even(1.7, 0.3, shares)
    np.testing.assert_allclose(
        even.right(logits, labels), free.right(logits, labels), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("fit", [mislabelling._even, mislabelling._free])
def test_likelihood_never_falls(fit, monkeypatch):
    """Of the free kind, but for what made-up labels add: they are few here."""
    logits, _, labels = drawn(3000, FLIPS)
    shares = np.bincount(labels) / len(labels)
    found = []
    for steps in range(12):
        monkeypatch.setattr(mislabelling, "STEPS", steps)
        found.append(fit(logits, 1.0, labels, shares)[0])
    assert np.diff(found).min() > -0.1
    assert found[-1] > found[0] + 1


def test_the_first_step_by_hand():
    """Two rows at 0.9 and 0.6 for their labels, of two equal classes: wrong labels are at 0.1.

    0.1·0.1 / (0.9·0.9 + 0.1·0.1) = 1/82 and 0.4·0.1 / (0.6·0.9 + 0.4·0.1) = 4/58.
    """
    logits = np.log([[0.9, 0.1], [0.4, 0.6]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mislabelling, "STEPS", 1)
        wrong = mislabelling._even(logits, 1.0, np.array([0, 1]), np.array([0.5, 0.5]))[1].wrong
    assert START == 0.1
    assert wrong == pytest.approx((1 / 82 + 4 / 58) / 2, rel=1e-12)


def test_one_class_is_right():
    logits = np.zeros((5, 1))
    assert fitted(logits, np.zeros(5, int)).right(logits, np.zeros(5, int)).tolist() == [1] * 5
    absent = np.zeros((5, 3))  # others hold no label of those that are looked at
    assert fitted(absent, np.ones(5, int)).right(absent, np.ones(5, int)).tolist() == [1] * 5


def test_impossible_rows_are_not_trusted():
    """Logits so far apart that a probability is 0."""
    logits = np.array([[0.0, 5000.0], [5000, 0]] * 30)
    labels = np.array([1, 0] * 30)
    labels[:3] = [1, 0, 0]
    assert np.isfinite(fitted(logits, labels).right(logits, labels)).all()
    for kind in (Even(1.0, 0.1, np.array([0.5, 0.5])), Free(1.0, evenly(2, 0.1))):
        trust = kind.right(logits, labels)
        assert np.isfinite(trust).all()
        assert trust[2] < 0.05 < 0.95 < trust[1]


def test_logits_that_tell_nothing_accuse_nobody():
    """Labels have nothing to do with them, as where no plane divides the classes."""
    rng = np.random.default_rng(0)
    for logits in (
        np.zeros((3000, 2)),
        rng.normal(size=(3000, 2)),
        0.01 * rng.normal(size=(50, 2)),
    ):
        labels = rng.integers(0, 2, len(logits))
        assert (fitted(logits, labels).right(logits, labels) > 0.99).all()
