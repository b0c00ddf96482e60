"""What is wrong with vectors beside what `scan` finds: rows that are there twice."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coreset_cli.io.digest import hash_rows
from coreset_cli.io.matrix import Matrix

__all__ = ["first_repeat", "repeated_rows"]


def repeated_rows(
    matrix: Matrix, progress: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.int64]:
    """Rows that equal an earlier row exactly, ascending; 0 and −0 are equal, NaN is its bytes.

    Rows whose 64-bit hashes meet are compared value by value, so chance never makes a fault.

    Args:
        matrix: [n, d] vectors.
        progress: called with rows done and rows in all.
    """
    hashes = np.empty(matrix.n, np.uint64)
    for start, block in matrix.blocks():
        hashes[start : start + len(block)] = hash_rows(block)
        progress(start + len(block), matrix.n)
    _, firsts, groups = np.unique(hashes, return_index=True, return_inverse=True)
    first = firsts[groups]
    suspects = np.flatnonzero(first != np.arange(matrix.n))
    step = matrix.block_rows
    same = [
        _equal(matrix.take(some), matrix.take(first[some]))
        for some in (suspects[i : i + step] for i in range(0, len(suspects), step))
    ]
    return suspects[np.concatenate(same)] if same else suspects


def first_repeat(matrix: Matrix, row: int) -> int:
    """The first row equal to this one, which comes after it."""
    wanted = matrix.take(np.array([row]))
    for start, block in matrix.blocks():
        equal = np.flatnonzero(_equal(block, np.broadcast_to(wanted, block.shape)))
        if len(equal):
            return start + int(equal[0])
    raise AssertionError("a row is equal to itself")


def _equal(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.bool_]:
    return ((left == right) | ((left != left) & (right != right))).all(axis=1)
