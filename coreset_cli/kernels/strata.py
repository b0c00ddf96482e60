"""Strata of a score: rows between its smallest and its largest value, cut at equal widths.

Source: Zheng, Liu, Lai & Prakash, "Coverage-centric coreset selection for high pruning rates", ICLR
2023, algorithm 1.
"""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.shares import floored_share

__all__ = ["strata_of", "water_filled", "without_hardest"]


def without_hardest(
    scores: NDArray[np.float64], rank: NDArray[np.int64], share: Decimal, k: int
) -> NDArray[np.int64]:
    """Rows that are left, ascending, when the hardest share is dropped; at least k are.

    Args:
        scores: [n] the larger, the harder; of equal ones the smaller ids are dropped first.
        rank: [n] rank of each row's id.
        share: of the rows, in [0, 1), rounded down.
        k: rows that must be left.
    """
    n = len(scores)
    dropped = min(floored_share(share, n), n - k)
    return np.sort(np.lexsort((rank, -scores))[dropped:])


def strata_of(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """[n] stratum of each row: ⌊count·(v − min)/(max − min)⌋, the largest in the last one.

    Rows of one score are all in the first.

    Args:
        scores: [n] finite.
        count: strata, 1 or more; some may stay empty.
    """
    # Halved by a power of two until nothing overflows: that changes no quotient.
    scaled = np.ldexp(scores, -np.frexp(np.abs(scores).max())[1])
    low, high = scaled.min(), scaled.max()
    if low == high:
        return np.zeros(len(scores), np.int64)
    return np.minimum(count - 1, np.floor(count * (scaled - low) / (high - low)).astype(np.int64))


def water_filled(sizes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Rows that each stratum gives: all alike, but for those that have no more to give.

    Strata are visited from the smallest, ties to the first; each gives its part of what is left,
    rounded down.

    Args:
        sizes: [g] rows of each stratum.
        k: rows in all, at most the sum of the sizes.
    """
    quotas = np.zeros_like(sizes)
    left = k
    for visited, stratum in enumerate(np.argsort(sizes, kind="stable").tolist()):
        quotas[stratum] = min(int(sizes[stratum]), left // (len(sizes) - visited))
        left -= int(quotas[stratum])
    return quotas
