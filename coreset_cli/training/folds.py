"""Cross-validation folds that follow the sample, not its place in a file."""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.seeds import Key, Rng

__all__ = ["stratified_folds"]


def stratified_folds(codes: NDArray[np.int64], key: Key, folds: int) -> NDArray[np.int64]:
    """Deal the rows out, class after class, each class in the order of a hash of its ids.

    Every fold gets its share of every class, and a class with fewer rows than folds is spread
    over as many folds as it has rows.

    Args:
        codes: [n] class of each row.
        key: ids of the rows.
        folds: how many.

    Returns:
        [n] the fold of each row.
    """
    order = np.lexsort((key.rank, Rng(0).draws("linear folds", key), codes))
    dealt = np.empty(len(codes), np.int64)
    dealt[order] = np.arange(len(codes)) % folds
    return dealt
