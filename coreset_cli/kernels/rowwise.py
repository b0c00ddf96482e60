"""One number a row from what is known of the row alone, in blocks that bound the memory."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATE_BYTES", "rowwise"]

BLOCK_VALUES = 1 << 20
"""Values of a block: 8 MiB as float64."""

STATE_BYTES = 48
"""Bytes a row of scores and their order."""


def rowwise(
    part: Callable[..., NDArray[np.float64]], *arrays: NDArray[np.generic]
) -> NDArray[np.float64]:
    """[n] what `part` makes of some rows of every array, block by block.

    Args:
        part: one float64 number for each row of the arrays it is given.
        arrays: [n, …] each.
    """
    n = len(arrays[0])
    step = max(1, BLOCK_VALUES // max(1, arrays[0][:1].size))
    values = np.empty(n)
    for start in range(0, n, step):
        which = slice(start, start + step)
        values[which] = part(*(array[which] for array in arrays))
    return values
