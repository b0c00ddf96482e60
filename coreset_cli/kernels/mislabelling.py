"""How probable it is that a label is right, where the share of wrong ones is not known.

A label y is seen where the class is z with probability T[z, y], and z has probability
softmax(logits / τ)[z]. τ and T are those that make the labels seen most probable: wrong labels far
inside other classes cannot be explained by classes that overlap, so the two are told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

__all__ = ["Mislabelling", "fitted"]

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

_Fit = Callable[[float], tuple[float, Values]]
"""Log-likelihood of the best transition at a temperature, and the transition."""


@dataclass(frozen=True)
class Mislabelling:
    """How labels come about.

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


def fitted(logits: Float[np.ndarray, "m c"], codes: NDArray[np.int64]) -> Mislabelling:
    """The most probable temperature and transition.

    Two transitions are tried: wrong labels fall on all classes by their shares, one number; or
    every entry is its own. The second is taken where it gains more log-likelihood than it has
    numbers, and where there are labels enough to estimate them.

    Source: expectation maximisation for the noise of annotators, Dawid & Skene, Applied Statistics
    28, 1979, with one annotator and held-out predictions in the place of the others; held-out
    predictions as in Northcutt, Jiang & Chuang, "Confident learning", JAIR 70, 2021; the criterion,
    Akaike, IEEE Transactions on Automatic Control 19, 1974. The combination is ours.

    Args:
        logits: of models that have not seen the rows.
        codes: [m] labels.
    """
    m, c = logits.shape
    shares = np.bincount(codes, minlength=c) / m
    if shares.max() == 1:
        return Mislabelling(1.0, np.eye(c))
    evenly = _hottest(lambda t: _even(logits, t, codes, shares))
    if m < ROWS_PER_ENTRY * c * c:
        return evenly[1]
    freely = _hottest(lambda t: _free(_probabilities(logits, t), codes, shares))
    return freely[1] if freely[0] - evenly[0] > c * (c - 1) - 1 else evenly[1]


def _hottest(fit: _Fit) -> tuple[float, Mislabelling]:
    """The best temperature for a kind of transition, and the log-likelihood of both."""
    bounds = float(np.log(COOLEST)), float(np.log(HOTTEST))
    found = minimize_scalar(
        lambda log_temperature: -fit(float(np.exp(log_temperature)))[0],
        bounds=bounds,
        method="bounded",
        options={"xatol": LOG_TEMPERATURE},
    )
    temperature = float(np.exp(found.x))
    likelihood, transition = fit(temperature)
    return likelihood, Mislabelling(temperature, transition)


def _even(
    logits: Values, temperature: float, codes: NDArray[np.int64], shares: Values
) -> tuple[float, Values]:
    """One share of wrong labels, which fall on the other classes by their sizes."""
    m, c = logits.shape
    own, other = np.empty(m), np.empty(m)
    step = max(1, BLOCK_VALUES // c)
    for start in range(0, m, step):
        which = slice(start, start + step)
        found = _probabilities(logits[which], temperature)
        place = np.arange(len(found)), codes[which]
        own[which] = found[place]
        found[place] = 0.0
        other[which] = found @ (1 / (1 - shares)) * shares[codes[which]]
    share = START
    for _ in range(STEPS):
        either = np.maximum(own * (1 - share) + other * share, LEAST)
        share = float((other * share / either).mean())
    likelihood = np.log(np.maximum(own * (1 - share) + other * share, LEAST)).sum()
    return float(likelihood), (1 - share) * np.eye(c) + share * _spread(shares)


def _free(found: Values, codes: NDArray[np.int64], shares: Values) -> tuple[float, Values]:
    """Every entry its own, with as many made-up labels a class, spread evenly, as classes."""
    c = len(shares)
    wrong, seen = _spread(shares), np.eye(c)[codes]
    transition = (1 - START) * np.eye(c) + START * wrong
    total = np.ones(len(codes))
    for _ in range(STEPS):
        joint = _joint(found, transition, codes)
        total = np.maximum(joint.sum(1), LEAST)
        counts = (joint / total[:, None]).T @ seen
        share = 1 - counts.trace() / counts.sum()
        counts += c * ((1 - share) * np.eye(c) + share * wrong)
        transition = counts / counts.sum(1, keepdims=True)
    return float(
        np.log(np.maximum(_joint(found, transition, codes).sum(1), LEAST)).sum()
    ), transition


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
