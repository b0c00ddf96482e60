"""Order rows by a score, and say which end of the ranking is kept."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["TIED", "Keep", "ranked", "ranked_exactly", "tied_at_the_cut"]

Keep = Literal["low", "high", "middle"]
"""Which end of a ranking is kept."""

MANY = 10
"""Rows of one score that nobody need be told of."""

SHARE = 0.01
"""As `MANY`, as a share of the rows picked."""

TIED = "many rows share the score at the cut: which of them are kept is decided by their ids alone"


def ranked(scores: NDArray[np.float64], rank: NDArray[np.int64], keep: Keep) -> NDArray[np.int64]:
    """All rows, the best of the end that is kept first; scores equal as float32 go by id.

    `middle` orders by |position − (n − 1)/2| in the ascending ranking, ties to the lower position:
    its first k are the window of ranks from ⌊(n − k)/2⌋.

    Args:
        scores: [n] one number a row.
        rank: [n] rank of each row's id.
        keep: `low`, `high` or `middle`.
    """
    return ranked_exactly(scores.astype(np.float32), rank, keep)


def ranked_exactly(
    scores: NDArray[np.floating], rank: NDArray[np.int64], keep: Keep
) -> NDArray[np.int64]:
    """As `ranked`, for scores without an error of rounding: only equal ones go by id."""
    if keep == "high":
        return np.lexsort((rank, -scores))
    ascending = np.lexsort((rank, scores))
    if keep == "low":
        return ascending
    position = np.arange(len(scores))
    return ascending[np.lexsort((position, np.abs(2 * position - (len(scores) - 1))))]


def tied_at_the_cut(ordered: NDArray[np.floating], k: int) -> int:
    """Rows whose score both rows that are kept and rows that are not have; 0 where they are few.

    Args:
        ordered: [n] scores; the first k of them are kept.
        k: rows that are kept.
    """
    tied = int(np.isin(ordered, np.intersect1d(ordered[:k], ordered[k:])).sum())
    return tied if tied > max(MANY, SHARE * k) else 0
