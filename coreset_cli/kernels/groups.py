"""Rows of each group."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["members"]


def members(codes: NDArray[np.int64], groups: int) -> list[NDArray[np.int64]]:
    """Rows of each group, ascending.

    Args:
        codes: [n] group of each row, 0 … groups − 1.
        groups: how many there are; a group may be empty.
    """
    sizes = np.bincount(codes, minlength=groups)
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
