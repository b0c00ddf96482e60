"""Rows that speak for all."""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.seeds import Key

__all__ = ["sampled"]


def sampled(key: Key, most: int) -> NDArray[np.int64]:
    """At most so many rows, ascending: those of the smallest id hashes, whatever their order.

    Args:
        key: of the n rows.
        most: rows.
    """
    if len(key) <= most:
        return np.arange(len(key))
    near = np.flatnonzero(key.hash <= np.partition(key.hash, most - 1)[most - 1])
    return np.sort(near[np.lexsort((key.rank[near], key.hash[near]))][:most])
