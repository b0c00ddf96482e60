"""How unsure a prediction is: scores of logits, larger for less sure rows.

What is left over beside the largest probability is summed from the others: 1 − p rounds to 0 for
the rows that are surest, and they would tie.

Source: Lewis & Gale, SIGIR 1994; Settles, "Active learning literature survey", 2009, section 3.1.
"""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import FloatArray
from coreset_cli.kernels.gradients import probabilities
from coreset_cli.kernels.rowwise import rowwise

__all__ = ["boundary_distance", "entropy", "least_confidence", "margin"]

Doubles = NDArray[np.float64]


def least_confidence(logits: FloatArray) -> Doubles:
    """[n] 1 − the largest probability.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """
    return rowwise(lambda some: _descending(some)[:, 1:].sum(1), logits)


def entropy(logits: FloatArray) -> Doubles:
    """[n] −Σ p ln p, in nats; 0·ln 0 is 0.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """

    def part(some: FloatArray) -> Doubles:
        p = _descending(some)
        rest = p[:, 1:]
        logs = np.log(np.where(rest > 0, rest, 1.0))
        return -(rest * logs).sum(1) - p[:, 0] * np.log1p(-rest.sum(1))

    return rowwise(part, logits)


def margin(logits: FloatArray) -> Doubles:
    """[n] 1 − (the largest probability − the next); 0 where there is one class.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """

    def part(some: FloatArray) -> Doubles:
        rest = _descending(some)[:, 1:]
        return rest.sum(1) + rest[:, :1].sum(1)

    return rowwise(part, logits)


def boundary_distance(logits: FloatArray, weight: FloatArray) -> Doubles:
    """[n] least distance, in feature space, to where another class is predicted.

    One step of DeepFool, exact for an affine layer: the least of (f − f_c)/‖w − w_c‖ over the other
    classes, f and w being those of the predicted class. Classes with its very weights cannot be
    crossed into; ∞ where no class is left.

    Args:
        logits: [n, c].
        weight: [c, d] of the layer.
    """
    wide = weight.astype(np.float64)
    apart = np.stack([np.linalg.norm(wide - one, axis=1) for one in wide])

    def part(some: FloatArray) -> Doubles:
        f = some.astype(np.float64)
        predicted = f.argmax(1)
        gap = f[np.arange(len(f)), predicted, None] - f
        far = apart[predicted]
        ratio = np.full_like(gap, np.inf)
        np.divide(gap, far, out=ratio, where=far > 0)
        return ratio.min(1)

    return rowwise(part, logits)


def _descending(logits: FloatArray) -> Doubles:
    """[b, c] probabilities, the largest first."""
    return -np.sort(-probabilities(logits), axis=1)
