"""How probable it is that a label is right, where the share of wrong ones is not known.

A label y is seen where the class is z with probability T[z, y], and z has probability
softmax(logits / τ)[z]. τ and T are those that make the labels seen most probable: wrong labels far
inside other classes cannot be explained by classes that overlap, so the two are told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from coreset_cli.kernels.calibration import Explanation, wrong_beyond_calibration

__all__ = ["Even", "Free", "fitted"]

COOLEST, HOTTEST = 0.25, 16.0
"""Temperatures between which the best is sought."""

LOG_TEMPERATURE = 0.02
"""How closely its logarithm is sought: 2 % of the temperature."""

START = 0.1
"""Share of wrong labels that the steps begin with."""

STEPS = 60
"""Steps of expectation maximisation."""

ROWS_PER_ENTRY = 10
"""Labels for each entry of T, at least, for entries of their own."""

BLOCK_VALUES = 1 << 17
"""Probabilities that are made at once: they stay in the cache."""

LEAST = 1e-300
"""Probabilities are no smaller, so that impossible rows divide 0 by something."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Even:
    """Wrong labels fall on the other classes by their shares.

    Args:
        temperature: that logits are divided by.
        wrong: share of wrong labels.
        shares: [c] of the classes among the labels.
    """

    temperature: float
    wrong: float
    shares: Float[np.ndarray, " c"]

    def right(
        self, logits: Float[np.ndarray, "m c"], codes: NDArray[np.int64]
    ) -> Float[np.ndarray, " m"]:
        """[m] probability that the class is the label.

        Args:
            logits: of models that have not seen the rows.
            codes: [m] labels.
        """
        own, other = _own_and_other(logits, self.temperature, codes, self.shares)
        return own * (1 - self.wrong) / _either(own, other, self.wrong)


@dataclass(frozen=True)
class Free:
    """Every class has its own share of every label.

    Args:
        temperature: that logits are divided by.
        transition: [c, c] probability of each label seen, in columns, for each class, in rows.
    """

    temperature: float
    transition: Float[np.ndarray, "c c"]

    def right(
        self, logits: Float[np.ndarray, "m c"], codes: NDArray[np.int64]
    ) -> Float[np.ndarray, " m"]:
        """[m] probability that the class is the label.

        Args:
            logits: of models that have not seen the rows.
            codes: [m] labels.
        """
        joint = _joint(_probabilities(logits, self.temperature), self.transition, codes)
        own = joint[np.arange(len(codes)), codes]
        return own / np.maximum(joint.sum(1), LEAST)


Kind = TypeVar("Kind", Even, Free)


def fitted(logits: Float[np.ndarray, "m c"], codes: NDArray[np.int64]) -> Even | Free:
    """What makes the labels seen most probable.

    Tried are no wrong labels, one share of them, and a transition of which every entry is its own.
    One share has to gain half the logarithm of m in log-likelihood, a full transition more than it
    has more numbers, and it needs labels enough. Either has to gain as much over the best map of
    the logits, else the labels are right: so nobody is accused where logits tell nothing, or where
    a better model would explain the labels.

    Source: expectation maximisation for the noise of annotators, Dawid & Skene, Applied Statistics
    28, 1979, with one annotator and held-out predictions in the place of the others; held-out
    predictions as in Northcutt, Jiang & Chuang, "Confident learning", JAIR 70, 2021; the criteria,
    Schwarz, Annals of Statistics 6, 1978, and Akaike, IEEE Transactions on Automatic Control 19,
    1974. The combination is ours.

    Args:
        logits: of models that have not seen the rows.
        codes: [m] labels.
    """
    m, c = logits.shape
    shares = np.bincount(codes, minlength=c) / m
    if shares.max() == 1:
        return Even(1.0, 0.0, shares)
    right = _at_best_temperature(lambda t: _right(logits, t, codes, shares))
    evenly = _at_best_temperature(lambda t: _even(logits, t, codes, shares))
    each = float(np.log(m)) / 2
    found: Even | Free = evenly[1] if evenly[0] - right[0] > each else right[1]
    best = evenly[0]
    if m >= ROWS_PER_ENTRY * c * c:
        freely = _at_best_temperature(lambda t: _free(logits, t, codes, shares))
        numbers = c * (c - 1)
        if freely[0] - evenly[0] > numbers - 1 and freely[0] - right[0] > numbers:
            found = freely[1]
            best = freely[0]
    if found is right[1]:
        return found
    known = Explanation(best, evenly[1].temperature, evenly[1].wrong)
    return found if wrong_beyond_calibration(logits, codes, known, each) else right[1]


def _at_best_temperature(fit: Callable[[float], tuple[float, Kind]]) -> tuple[float, Kind]:
    """The largest log-likelihood that a kind of transition reaches, and how."""
    bounds = float(np.log(COOLEST)), float(np.log(HOTTEST))
    found = minimize_scalar(
        lambda log_temperature: -fit(float(np.exp(log_temperature)))[0],
        bounds=bounds,
        method="bounded",
        options={"xatol": LOG_TEMPERATURE},
    )
    return fit(float(np.exp(found.x)))


def _right(
    logits: Values, temperature: float, codes: NDArray[np.int64], shares: Values
) -> tuple[float, Even]:
    own, _ = _own_and_other(logits, temperature, codes, shares)
    return float(np.log(np.maximum(own, LEAST)).sum()), Even(temperature, 0.0, shares)


def _even(
    logits: Values, temperature: float, codes: NDArray[np.int64], shares: Values
) -> tuple[float, Even]:
    own, other = _own_and_other(logits, temperature, codes, shares)
    wrong = START
    for _ in range(STEPS):
        wrong = float((other * wrong / _either(own, other, wrong)).mean())
    likelihood = float(np.log(_either(own, other, wrong)).sum())
    return likelihood, Even(temperature, wrong, shares)


def _free(
    logits: Values, temperature: float, codes: NDArray[np.int64], shares: Values
) -> tuple[float, Free]:
    """With as many made-up labels a class, spread evenly, as there are classes."""
    c = len(shares)
    found = _probabilities(logits, temperature)
    wrong, seen = _spread(shares), np.eye(c)[codes]
    transition = (1 - START) * np.eye(c) + START * wrong
    for _ in range(STEPS):
        joint = _joint(found, transition, codes)
        counts = (joint / np.maximum(joint.sum(1), LEAST)[:, None]).T @ seen
        share = 1 - counts.trace() / counts.sum()
        counts += c * ((1 - share) * np.eye(c) + share * wrong)
        transition = counts / counts.sum(1, keepdims=True)
    total = np.maximum(_joint(found, transition, codes).sum(1), LEAST)
    return float(np.log(total).sum()), Free(temperature, transition)


def _own_and_other(
    logits: Values, temperature: float, codes: NDArray[np.int64], shares: Values
) -> tuple[Values, Values]:
    """[m] probability of the label's class; and of the label where the class is another one."""
    m, c = logits.shape
    own, other = np.empty(m), np.empty(m)
    weights = np.divide(1.0, 1 - shares, out=np.zeros(c), where=shares < 1)
    step = max(1, BLOCK_VALUES // c)
    for start in range(0, m, step):
        which = slice(start, start + step)
        found = _probabilities(logits[which], temperature)
        place = np.arange(len(found)), codes[which]
        own[which] = found[place]
        found[place] = 0.0
        other[which] = found @ weights * shares[codes[which]]
    return own, other


def _either(own: Values, other: Values, wrong: float) -> Values:
    """[m] probability of the label."""
    return np.maximum(own * (1 - wrong) + other * wrong, LEAST)


def _joint(found: Values, transition: Values, codes: NDArray[np.int64]) -> Values:
    """[m, c] probability of each class together with the label seen."""
    return found * transition[:, codes].T


def _spread(shares: Values) -> Values:
    """[c, c] the other classes by their shares."""
    wrong = np.tile(shares, (len(shares), 1)) / (1 - shares)[:, None]
    np.fill_diagonal(wrong, 0.0)
    return wrong


def _probabilities(logits: Values, temperature: float) -> Values:
    found = logits / temperature
    found -= found.max(1, keepdims=True)
    np.exp(found, out=found)
    found /= found.sum(1, keepdims=True)
    return found
