"""Multinomial logistic regression on rotated rows, several training parts at once.

The objective is scikit-learn's: C·Σ wᵢ·lossᵢ + ½‖W‖², the intercept free, a row of W for every
class also where there are two. Its `lbfgs` needs hundreds of passes for a large C, because
directions of small variance are badly scaled. Here the rows come rotated onto their principal
axes, where dividing each axis by the square root of its curvature is a change of variables that
leaves the minimum where it is. All training parts of a cross-validation share one matrix product.

Source: Liu & Nocedal, "On the limited memory BFGS method", Math. Programming 45, 1989.
Cost: two products of the rows with r × parts × c numbers a step; about 20 to 150 steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Parts", "Pulse", "Softmax", "minimise", "unwatched"]

TOLERANCE = 1e-6
"""Largest gradient, of the mean loss in the scaled variables, at which to stop."""

SLACK = 10
"""Gradient, in tolerances, that still counts as converged where rounding ends the line search."""

STEPS = 20_000
"""Steps at most; never met on real data, and a warning where it is."""

IMPOSSIBLE = -1e30
"""Logit of a class that a training part lacks: finite, so that a weight of 0 silences it."""

FloatArray = NDArray[np.float64]

Pulse = Callable[[], None]
"""Called at every step; what it raises ends the work."""


def unwatched() -> None:
    """A pulse that nobody takes."""


@dataclass(frozen=True)
class Parts:
    """Rows on their principal axes, and the weights they have in each training part.

    Args:
        rows: [n, r] float64, the axes uncorrelated.
        energy: [r] sum of squares along each axis.
        codes: [n] class of each row.
        weights: [n, p] weight of each row in each part; 0 where it is held out.
        c: classes in all.
    """

    rows: FloatArray
    energy: FloatArray
    codes: NDArray[np.int64]
    weights: FloatArray
    c: int

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """[p, c] which classes have a row in which part."""
        counts = np.zeros((self.c, self.weights.shape[1]))
        np.add.at(counts, self.codes, self.weights > 0)
        return counts.T > 0

    @cached_property
    def mass(self) -> FloatArray:
        """[p] sum of the weights of each part."""
        return self.weights.sum(0)


@dataclass(frozen=True)
class Softmax:
    """Coefficients of one model a training part.

    Args:
        slopes: [r, p, c].
        offsets: [p, c].
        converged: the gradient is below the tolerance.
    """

    slopes: FloatArray
    offsets: FloatArray
    converged: bool = True

    @classmethod
    def zero(cls, parts: Parts) -> "Softmax":
        """Every class equally likely."""
        p = parts.weights.shape[1]
        return cls(np.zeros((parts.rows.shape[1], p, parts.c)), np.zeros((p, parts.c)))

    def probabilities(self, rows: FloatArray, present: NDArray[np.bool_]) -> FloatArray:
        """[n, p, c] probabilities; 0 for a class that the part lacks."""
        r, p, c = self.slopes.shape
        logits = (rows @ self.slopes.reshape(r, p * c)).reshape(len(rows), p, c) + self.offsets
        logits[:, ~present] = IMPOSSIBLE
        logits -= logits.max(2, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(2, keepdims=True)
        return logits


def minimise(parts: Parts, cost: float, start: Softmax, pulse: Pulse = unwatched) -> Softmax:
    """Fit every part to the minimum of C·Σ wᵢ·lossᵢ + ½‖W‖².

    Args:
        parts: rows and weights.
        cost: C, above 0: the smaller, the flatter the model.
        start: from where; the minimum does not depend on it.
        pulse: called at every step.
    """
    n, r = parts.rows.shape
    p, c = parts.weights.shape[1], parts.c
    share = parts.weights / parts.mass
    penalty = 1.0 / (cost * parts.mass)
    scale = 1.0 / np.sqrt(parts.energy / (n * c) + penalty.mean())
    absent = ~parts.present
    at_row = np.arange(n)
    sizes = (r * p * c, p * c)
    intercept_scale = np.sqrt(c)

    def unpack(packed: FloatArray) -> tuple[FloatArray, FloatArray]:
        slopes = packed[: sizes[0]].reshape(r, p * c) * scale[:, None]
        return slopes, packed[sizes[0] :].reshape(p, c) * intercept_scale

    def objective(packed: FloatArray) -> tuple[float, FloatArray]:
        pulse()
        slopes, offsets = unpack(packed)
        logits = (parts.rows @ slopes).reshape(n, p, c)
        logits += offsets
        logits[:, absent] = IMPOSSIBLE
        logits -= logits.max(2, keepdims=True)
        own = logits[at_row, :, parts.codes]
        np.exp(logits, out=logits)
        sums = logits.sum(2)
        loss = float((share * (np.log(sums) - own)).sum())
        logits /= sums[..., None]
        logits[at_row, :, parts.codes] -= 1.0
        logits *= share[..., None]
        residual = logits.reshape(n, p * c)
        shrunk = (slopes.reshape(r, p, c) * penalty[:, None]).reshape(r, p * c)
        gradient = (parts.rows.T @ residual + shrunk) * scale[:, None]
        loss += 0.5 * float((slopes * shrunk).sum())
        return loss, np.concatenate([gradient.ravel(), residual.sum(0) * intercept_scale])

    first = np.concatenate(
        [
            (start.slopes.reshape(r, p * c) / scale[:, None]).ravel(),
            (start.offsets / intercept_scale).ravel(),
        ]
    )
    limits = {"gtol": TOLERANCE, "ftol": 0.0, "maxiter": STEPS, "maxfun": 2 * STEPS}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=limits)
    slopes, offsets = unpack(found.x)
    converged = bool(np.abs(found.jac).max() <= SLACK * TOLERANCE)
    return Softmax(slopes.reshape(r, p, c), offsets, converged)
