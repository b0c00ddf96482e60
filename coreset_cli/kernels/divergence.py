"""Divergences of class probabilities, and what is picked by them.

Source: Jeffreys, "An invariant form for the prior probability in estimation problems", Proc. Royal
Society A 186, 1946.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import FloatArray
from coreset_cli.kernels.gradients import probabilities
from coreset_cli.kernels.points import TIE

__all__ = ["Predictions", "farthest_predictions"]

LEAST = 1e-12
"""Probabilities are at least this: the logarithm of 0 is infinite."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of every row.

    Args:
        p: [n, c].
        log: [n, c] their logarithms.
        own: [n] Σ p ln p.
    """

    p: Doubles
    log: Doubles
    own: Doubles

    @classmethod
    def of(cls, logits: FloatArray) -> "Predictions":
        """Softmax, no probability 0.

        Raises:
            NotFinite: NaN or Inf among the logits.
        """
        return cls.clipped(probabilities(logits))

    @classmethod
    def clipped(cls, p: Doubles) -> "Predictions":
        """Probabilities of 1e-12 at least, summing to 1."""
        p = np.maximum(p, LEAST)
        p /= p.sum(1, keepdims=True)
        log = np.log(p)
        return cls(p, log, np.einsum("nc,nc->n", p, log))

    def jeffreys(self, one: "Predictions") -> Doubles:
        """[n] ½ Σ (p − q)(ln p − ln q) to one other; what rounding cannot tell from 0 is 0."""
        crossed = self.p @ one.log[0] + self.log @ one.p[0]
        found = 0.5 * (self.own + one.own[0] - crossed)
        return np.where(found > TIE * -np.log(LEAST), found, 0.0)

    def take(self, rows: NDArray[np.int64]) -> "Predictions":
        """Those of some rows."""
        return Predictions(self.p[rows], self.log[rows], self.own[rows])

    def between(self, rows: NDArray[np.int64], others: NDArray[np.int64], rule: str) -> Doubles:
        """[m] divergence of each row from the other at its place.

        Args:
            rows: [m].
            others: [m].
            rule: `jeffreys`, or `kl`: that of the other from the row, Σ q (ln q − ln p).
        """
        apart = self.log[others] - self.log[rows]
        if rule == "kl":
            return np.einsum("mc,mc->m", self.p[others], apart)
        return 0.5 * np.einsum("mc,mc->m", self.p[others] - self.p[rows], apart)


def farthest_predictions(
    predictions: Predictions,
    k: int,
    rank: NDArray[np.int64],
    progress: Callable[[int, int], None],
) -> tuple[NDArray[np.int64], Doubles]:
    """Pick, k times, the row whose prediction is farthest from those of all picks.

    The first is nearest to the mean prediction. Ties go to the smaller id.

    Args:
        predictions: of n rows.
        k: rows to pick.
        rank: [n] rank of each row's id.
        progress: called with picks done and in all.

    Returns:
        The rows in the order picked, and how far each was from the picks before it (∞ for the
        first).
    """
    order = np.argsort(rank)  # the first of equal values is then that of the smallest id
    ordered = predictions.take(order)
    centre = Predictions.clipped(ordered.p.mean(0, keepdims=True))
    nearest = np.full(len(order), np.inf)
    picks, radii = np.empty(k, np.int64), np.empty(k)
    pick, radius = int(ordered.jeffreys(centre).argmin()), np.inf
    for done in range(k):
        picks[done], radii[done] = pick, radius
        np.minimum(nearest, ordered.jeffreys(ordered.take(picks[done : done + 1])), out=nearest)
        nearest[pick] = -np.inf
        pick = int(nearest.argmax())
        radius = float(nearest[pick])
        progress(done + 1, k)
    return order[picks], radii
