"""Labels that a better map of the logits explains are right; those that none explains are not."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, softmax

from coreset_cli.kernels import calibration
from coreset_cli.kernels.calibration import Explanation, wrong_beyond_calibration
from coreset_cli.kernels.mislabelling import fitted

NOTHING = Explanation(-np.inf, 1.0, 0.1)


def mapped(m=4000, c=4, seed=0, wrong=0.0):
    """Logits whose classes are drawn after a map that mixes them, and some labels redrawn."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(m, c))
    slopes = np.eye(c) + 0.8 * rng.normal(size=(c, c))
    offsets = np.linspace(-3, 1, c)
    labels = np.array([rng.choice(c, p=p) for p in softmax(logits @ slopes + offsets, axis=1)])
    redrawn = rng.random(m) < wrong
    labels[redrawn] = (labels[redrawn] + rng.integers(1, c, redrawn.sum())) % c
    return logits, labels


@pytest.mark.parametrize("wrong", [0.05, 0.3])
def test_wrong_labels_are_told_from_logits_that_are_off(wrong):
    logits, labels = mapped()
    assert not wrong_beyond_calibration(logits, labels, NOTHING, 5.0)
    assert wrong_beyond_calibration(*mapped(wrong=wrong), NOTHING, 5.0)


def test_logits_that_are_off_accuse_nobody():
    """Without the map, a tenth of these labels would be called wrong."""
    logits, labels = mapped()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "ROWS_PER_NUMBER", 1 << 40)
        assert fitted(logits, labels).right(logits, labels).mean() < 0.9
    assert fitted(logits, labels).right(logits, labels).min() > 0.999


def test_what_is_known_already_is_enough():
    """Labels of one class in every row: the map explains them, unless more is known."""
    logits, labels = mapped(400)
    assert wrong_beyond_calibration(logits, labels, Explanation(1.0, 1.0, 0.1), 5.0)


def test_with_few_labels_nothing_is_said():
    logits, labels = mapped(39)
    assert wrong_beyond_calibration(logits, labels, NOTHING, 5.0)
    assert not wrong_beyond_calibration(*mapped(40), NOTHING, 5.0)


def by_hand(labels, numbers):
    """Log-likelihood, row by row; a wrong label is another class's, by the classes' shares."""
    c = labels.logits.shape[1]
    slopes = numbers[: c * c].reshape(c, c) if labels.full else numbers[0] * np.eye(c)
    rest = numbers[c * c :] if labels.full else numbers[1:]
    wrong = expit(rest[c]) if len(rest) > c else 0.0
    shares = np.bincount(labels.codes, minlength=c) / len(labels.codes)
    total = 0.0
    for row, y in zip(labels.logits, labels.codes, strict=True):
        p = softmax(row @ slopes + rest[:c])
        other = sum(p[z] * shares[y] / (1 - shares[z]) for z in range(c) if z != y)
        total += np.log((1 - wrong) * p[y] + wrong * other)
    return total


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("mixed", [True, False])
def test_likelihood_and_its_derivatives(full, mixed):
    rng = np.random.default_rng(1)
    logits, codes = mapped(30, 3)
    labels = calibration._Labels(logits, codes, full)
    numbers = rng.normal(size=(9 if full else 1) + 3 + mixed)
    value, slope = labels.likelihood(numbers)
    assert value == pytest.approx(by_hand(labels, numbers), rel=1e-12)
    found = approx_fprime(numbers, lambda x: by_hand(labels, x), 1e-7)
    np.testing.assert_allclose(slope, found, rtol=1e-4, atol=1e-4)


def test_the_search_ends_above_what_is_enough():
    logits, codes = mapped(200, 3)
    labels = calibration._Labels(logits, codes, True)
    start = labels.map_of(1.0)
    first, best = labels.likelihood(start)[0], labels.best(start)
    half = (first + best) / 2
    assert first < half < labels.best(start, half) <= best
