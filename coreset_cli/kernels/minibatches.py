"""Rows divided into mini-batches, and what is picked among these spread over their rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.gradients import RankOne, require_room

__all__ = ["Minibatches"]

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Minibatches:
    """Rows 0 … n − 1 in batches of one size, one after another; the last may be shorter.

    Args:
        n: rows.
        size: rows of a batch.
    """

    n: int
    size: int

    @property
    def count(self) -> int:
        """Number of batches."""
        return -(-self.n // self.size)

    @property
    def starts(self) -> Rows:
        """[m] first row of each batch."""
        return np.arange(0, self.n, self.size)

    @property
    def sizes(self) -> Rows:
        """[m] rows of each batch."""
        return np.minimum(self.size, self.n - self.starts)

    def sums(self, matrices: RankOne) -> RankOne:
        """The sum of the matrices of each batch, each in one row; of single rows as they are.

        Raises:
            DoesNotFit: they are too many to be written out.
        """
        if self.size == 1:
            return matrices
        width = matrices.left.shape[1] * matrices.right.shape[1]
        require_room(self.count, width, f"use more than {self.size} rows a batch, with --set batch")
        total = np.empty((self.count, width), np.float32)
        for number, start in enumerate(self.starts):
            rows = np.arange(start, min(start + self.size, self.n))
            total[number] = matrices.take(rows).total().ravel()
        return RankOne(left=np.ones((self.count, 1)), right=total)

    def means(self, matrices: RankOne) -> RankOne:
        """The mean of the matrices of each batch.

        Raises:
            DoesNotFit: they are too many to be written out.
        """
        sums = self.sums(matrices)
        return RankOne(left=sums.left / self.sizes[:, None], right=sums.right)

    def fewest(self, k: int) -> int:
        """Batches that hold k rows, unless the short one is among them."""
        return -(-k // self.size)

    def spread(self, picks: Rows, weights: Doubles, k: int) -> tuple[Rows, Doubles]:
        """The first k rows of some batches, and their weights.

        A row has the weight of its batch; where the last batch is cut off, the rows that stay share
        the weight of those that do not.

        Args:
            picks: batches in order, all of them needed for k rows.
            weights: of each.
            k: rows wanted.
        """
        sizes = self.sizes[picks]
        batch = np.repeat(np.arange(len(picks)), sizes)[:k]
        place = np.arange(len(batch)) - (np.cumsum(sizes) - sizes)[batch]
        taken = np.bincount(batch, minlength=len(picks))
        return self.starts[picks][batch] + place, (weights * sizes / np.maximum(taken, 1))[batch]
