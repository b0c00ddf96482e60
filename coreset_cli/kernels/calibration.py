"""Whether labels look wrong however the logits that judge them are calibrated.

Logits of a simple model say too little of classes that overlap: labels that it cannot explain may
be right, and a better model might explain them. What follows lets the logits be mapped anew before
labels are called wrong.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

__all__ = ["Explanation", "wrong_beyond_calibration"]

ROWS_PER_NUMBER = 10
"""Labels for each number of a map, at least."""

TOLERANCE = 1e-7
"""Of the mean log-likelihood, relative."""

ROUNDS = 200
"""Of the search, at most."""

Values = NDArray[np.float64]


class _EnoughError(Exception):
    """The gain is larger than it had to be."""


@dataclass(frozen=True)
class Explanation:
    """Labels as the logits and wrong labels have them, without a map.

    Args:
        likelihood: logarithm of the probability of the labels; of the best explanation, which may
            be another than the next two numbers are of.
        temperature: that logits are divided by where the other classes get wrong labels by their
            shares.
        wrong: share of wrong labels.
    """

    likelihood: float
    temperature: float
    wrong: float


def wrong_beyond_calibration(
    logits: Float[np.ndarray, "m c"], codes: NDArray[np.int64], known: Explanation, gain: float
) -> bool:
    """Whether some wrong labels explain more than the best affine map of the logits alone.

    The map has a slope for every two classes where there are labels enough, else one slope and an
    offset for every class; with too few for that, nothing is said against wrong labels. The
    log-likelihood of the labels under the softmax of mapped logits is compared with what is known,
    and with that of a map together with one number more, the share of wrong labels.

    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017,
    section 4.2 (matrix and vector scaling). As a test for wrong labels it is ours.

    Args:
        logits: of models that have not seen the rows.
        codes: [m] labels.
        known: what was found without a map.
        gain: of log-likelihood that wrong labels must bring.
    """
    m, c = logits.shape
    if m < ROWS_PER_NUMBER * c:
        return True
    labels = _Labels(logits - logits.mean(1, keepdims=True), codes, m >= ROWS_PER_NUMBER * c * c)
    enough = labels.best(labels.map_of(known.temperature)) + gain
    if known.likelihood > enough:
        return True
    start = np.append(labels.map_of(known.temperature), logit(known.wrong))
    return labels.best(start, enough) > enough


@dataclass(frozen=True)
class _Labels:
    """Labels to explain.

    Args:
        logits: [m, c] of mean 0 over the classes.
        codes: [m] labels.
        full: whether maps have a slope for every two classes.
    """

    logits: Values
    codes: NDArray[np.int64]
    full: bool

    @property
    def slopes(self) -> int:
        """How many a map has."""
        return self.logits.shape[1] ** 2 if self.full else 1

    def map_of(self, temperature: float) -> Values:
        """A map that divides all logits by a number."""
        c = self.logits.shape[1]
        slopes = np.eye(c).ravel() if self.full else np.ones(1)
        return np.append(slopes / temperature, np.zeros(c))

    def best(self, start: Values, enough: float = np.inf) -> float:
        """The largest log-likelihood, or the first above what is enough.

        Args:
            start: numbers to begin with.
            enough: log-likelihood at which the search ends.
        """
        m, most = len(self.codes), -np.inf
        # The search is told of numbers times this, so that slopes and offsets are of one size.
        size = np.ones_like(start)
        size[: self.slopes] = max(float(self.logits.std()), 1e-12)

        def loss(numbers: Values) -> tuple[float, Values]:
            nonlocal most
            value, slope = self.likelihood(numbers / size)
            most = max(most, value)
            if value > enough:
                raise _EnoughError
            return -value / m, -slope / size / m

        with suppress(_EnoughError):
            options = {"maxiter": ROUNDS, "ftol": TOLERANCE}
            minimize(loss, start * size, jac=True, method="L-BFGS-B", options=options)
        return most

    def likelihood(self, numbers: Values) -> tuple[float, Values]:
        """Log-likelihood of the labels, and its derivatives.

        Args:
            numbers: slopes (of the logits, in rows, for the mapped ones), offsets, and, where some
                labels are wrong, the logarithm of the odds of that.
        """
        m, c = self.logits.shape
        slopes = numbers[: self.slopes].reshape((c, c) if self.full else 1)
        offsets = numbers[slopes.size : slopes.size + c]
        mapped = self.logits @ slopes if self.full else self.logits * slopes
        logs = log_softmax(mapped + offsets, axis=1)
        found, rows = np.exp(logs), np.arange(m)
        if len(numbers) == slopes.size + c:
            value, residual, odds = float(logs[rows, self.codes].sum()), -found, []
            residual[rows, self.codes] += 1
        else:
            wrong = float(expit(numbers[-1]))
            shares = np.bincount(self.codes, minlength=c) / m
            others = np.divide(1.0, 1 - shares, out=np.zeros(c), where=shares < 1)
            joint = found * others * (wrong * shares[self.codes])[:, None]
            joint[rows, self.codes] = (1 - wrong) * found[rows, self.codes]
            total = np.maximum(joint.sum(1), np.finfo(np.float64).tiny)
            after = joint / total[:, None]
            value, residual = float(np.log(total).sum()), after - found
            odds = [float((1 - after[rows, self.codes]).sum() - wrong * m)]
        by_slope = self.logits.T @ residual if self.full else (self.logits * residual).sum()
        return value, np.concatenate([np.ravel(by_slope), residual.sum(0), odds])
