"""Similarities of which each row keeps the largest."""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.similarity import Similarity, column_blocks, stacked, summed

__all__ = ["Nearest"]


class Nearest:
    """Each row keeps its m largest similarities, its own among them; all others are 0.

    Not symmetric: column j holds the rows that keep j.

    Args:
        whole: similarities of all pairs, symmetric, with a base of 0.
        m: similarities a row keeps, at most; of equal ones those of smaller ids.
    """

    base = 0.0

    def __init__(self, whole: Similarity, m: int) -> None:
        n = len(whole.rank)
        self.rank, self.serial, self.unit = whole.rank, whole.serial, whole.unit
        rank = whole.rank.cpu().numpy()
        m = min(m, n)
        kept, values = np.empty((n, m), np.int64), np.empty((n, m), np.int32)
        for at, found in column_blocks(whole):
            keys = (found.astype(np.int64) << 32) - rank
            keys[np.arange(len(at)), at] = np.iinfo(np.int64).max  # its own
            kept[at] = np.argpartition(keys, n - m, axis=1)[:, n - m :]
            values[at] = np.take_along_axis(found, kept[at], axis=1)
        order = np.argsort(kept.ravel(), kind="stable")
        self._rows, self._values = order // m, values.ravel()[order]
        self._starts = np.searchsorted(kept.ravel()[order], np.arange(n + 1))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rank)

    def columns(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """See `Similarity`."""
        found = np.zeros((len(rows), len(self)), np.int32)
        for column, row in zip(found, rows.tolist(), strict=True):
            which = slice(self._starts[row], self._starts[row + 1])
            column[self._rows[which]] = self._values[which]
        return found

    def matrix(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        return stacked(self)

    def totals(self) -> NDArray[np.float64]:
        """See `Similarity`."""
        return summed(self)

    def own(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        found = np.zeros(len(self), np.int32)
        column = np.repeat(np.arange(len(self)), np.diff(self._starts))
        mine = column == self._rows
        found[column[mine]] = self._values[mine]
        return found
