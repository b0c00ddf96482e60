"""Entries of matrices that vary most, and how far rows are apart in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from coreset_cli.kernels.gradients import RankOne
from coreset_cli.kernels.ranking import ranked

__all__ = ["Entries"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Entries:
    """Some entries of n matrices.

    Args:
        values: [n, m].
    """

    values: Doubles

    @classmethod
    def of(cls, matrices: RankOne, m: int) -> "Entries":
        """The m entries of the largest variance over the matrices, or all; ties to the first."""
        spread = matrices.variance().ravel()
        spread /= max(spread.max(), np.finfo(float).tiny)
        most = ranked(spread, np.arange(len(spread)), "high")[:m]
        return cls(matrices.entries(np.sort(most)))

    @property
    def farthest(self) -> float:
        """A bound of all distances."""
        return float(np.ptp(self.values, axis=0).sum())

    def distances(self, rows: NDArray[np.int64]) -> Doubles:
        """[b, n] sum of absolute differences of some rows from all."""
        return cdist(self.values[rows], self.values, "cityblock")
