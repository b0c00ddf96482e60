"""Integrated Fidelity Score: accuracy over several budgets in one number.

Source: ECHO; the weights are those that reproduce its 19 published scores: wᵦ ∝ exp(−b). They are
nearly flat, so this is close to the mean over the budgets that were run, and scores over
different budgets cannot be compared.
"""

from collections.abc import Sequence
from math import exp

__all__ = ["integrated_fidelity"]


def integrated_fidelity(shares: Sequence[float], accuracies: Sequence[float], full: float) -> float:
    """Σ w(b)·Acc(b)/Acc_full with w(b) = exp(−b)/Σ exp(−b′).

    Args:
        shares: kept shares b in (0, 1].
        accuracies: accuracy at each, in the unit of `full`.
        full: accuracy of the full set.
    """
    weights = [exp(-share) for share in shares]
    pairs = zip(weights, accuracies, strict=True)
    return sum(weight * accuracy / full for weight, accuracy in pairs) / sum(weights)
