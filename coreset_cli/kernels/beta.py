"""Draw rows by a weight times a Beta density of how easy they are."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["beta_order"]

MASS = 16.0
"""a + b of the density."""

HARDEST = 10
"""Rows of highest score whose mean easiness sets the mode for large subsets."""

EDGE = 1e-6
"""Easiness is kept this far from 0 and 1."""

Doubles = NDArray[np.float64]


def beta_order(
    scores: Doubles,
    easy: Doubles,
    ranking: NDArray[np.int64],
    draws: NDArray[np.uint64],
    *,
    keep: float,
    power: float,
) -> NDArray[np.int64]:
    """All rows in the order of successive draws, without replacement, by Beta(easy; a, b)·score.

    b = 15 (1 − μ)(1 − r^power) and a = 16 − b, with r the share that is left out and μ the mean
    easiness of the rows of highest score. The order of ln weight + Gumbel noise is that of
    successive draws. Rows of weight 0 come last, the easiest first.

    Source: Cho et al., "Lightweight dataset pruning", ICML 2025, section 3.3; the draws, Vieira,
    "Gumbel-max trick and weighted reservoir sampling", 2014.

    Args:
        scores: [n] 0 or more.
        easy: [n] mean probability of the label.
        ranking: [n] rows by score, the highest first.
        draws: [n] a random word a row.
        keep: share of the rows that is kept, in (0, 1].
        power: of r.
    """
    inside = np.clip(easy, EDGE, 1 - EDGE)
    middle = np.clip(easy[ranking[:HARDEST]].mean(), EDGE, 1 - EDGE)
    b = (MASS - 1) * (1 - middle) * (1 - (1 - keep) ** power)
    a = MASS - b
    uniform = (draws.astype(np.float64) + 0.5) / 2.0**64
    uniform = np.clip(uniform, 2.0**-65, 1 - 2.0**-53)
    with np.errstate(divide="ignore"):
        weight = np.log(scores) + (a - 1) * np.log(inside) + (b - 1) * np.log1p(-inside)
    place = np.empty(len(ranking), np.int64)
    place[ranking] = np.arange(len(ranking))
    return np.lexsort((place, -easy, -(weight - np.log(-np.log(uniform)))))
