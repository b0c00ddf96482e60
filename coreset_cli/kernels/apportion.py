"""Share a budget over groups, so that quota and order are one rule."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.groups import members
from coreset_cli.kernels.shares import rounded_share

__all__ = [
    "equal_turns",
    "first_turns",
    "largest_remainders",
    "raised_quotas",
    "webster_turns",
    "weighted_turns",
]


def largest_remainders(share: Decimal, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """A share of each group that sums to the rounded share of all: Hamilton's rule.

    Every group gives ⌊share·m⌋ of its m rows; the groups whose fractions are the largest give one
    more, ties to the smaller group.

    Source: Hamilton 1792; Balinski & Young, "Fair Representation", 1982.

    Args:
        share: in [0, 1].
        sizes: [g] rows of each group.

    Returns:
        [g] rows that each group gives.
    """
    total = rounded_share(share, int(sizes.sum()))
    if total == 0:
        return np.zeros_like(sizes)
    exact = [Fraction(share) * m for m in sizes.tolist()]
    quotas = np.array([int(part) for part in exact], np.int64)
    order = sorted(range(len(exact)), key=lambda group: int(exact[group]) - exact[group])
    quotas[order[: total - int(quotas.sum())]] += 1
    return quotas


def webster_turns(sizes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Whose turn it is, k times, so that every group keeps its share: Webster's rule.

    The j-th row of a group of size m is due at (j − ½)/m; ties go to the smaller group. Quotas
    therefore nest: the turns for a smaller k are the first of these. The quotients are exact
    enough as float64 for groups up to 2²⁶ rows, because different ones differ by more than its
    rounding.

    Source: Webster 1832 / Sainte-Laguë 1910; Balinski & Young, "Fair Representation", 1982.

    Args:
        sizes: [g] rows of each group.
        k: turns, at most the sum of the sizes.

    Returns:
        [k] group of each turn.
    """
    return weighted_turns(sizes, sizes, k)


def weighted_turns(
    weights: NDArray[np.int64] | NDArray[np.float64], sizes: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Whose turn it is, k times, by Webster's rule on weights that are not the sizes.

    The j-th row of a group of weight w is due at (j − ½)/w, as long as it has rows. Groups of
    weight 0 have their turns after all others, by their sizes.

    Args:
        weights: [g] at least 0.
        sizes: [g] rows of each group.
        k: turns, at most the sum of the sizes.

    Returns:
        [k] group of each turn.
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    halves = np.concatenate([2 * np.arange(1, m + 1) - 1 for m in sizes])
    weight = weights[group]
    last = weight == 0
    due = halves / np.where(last, sizes[group], weight)
    return group[np.lexsort((group, due, last))][:k]


def equal_turns(sizes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Whose turn it is, k times, round robin over the groups that still have rows.

    Args:
        sizes: [g] rows of each group.
        k: turns, at most the sum of the sizes.

    Returns:
        [k] group of each turn.
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    turn = np.concatenate([np.arange(m) for m in sizes])
    return group[np.lexsort((group, turn))][:k]


def first_turns(turns: NDArray[np.int64], quotas: NDArray[np.int64]) -> NDArray[np.int64]:
    """The turns of each group up to its quota, in the order of all turns.

    Args:
        turns: [n] group of each turn, until no group has rows left.
        quotas: [g] turns each group keeps.
    """
    kept = [
        places[:quota] for places, quota in zip(members(turns, len(quotas)), quotas, strict=True)
    ]
    return turns[np.sort(np.concatenate(kept))]


def raised_quotas(
    quotas: NDArray[np.int64], sizes: NDArray[np.int64], least: int
) -> NDArray[np.int64] | None:
    """Quotas with at least so many rows a group, taken back from the largest quotas.

    Args:
        quotas: [g] rows each group would give.
        sizes: [g] rows of each group.
        least: rows a group gives at least, or all it has.

    Returns:
        [g] quotas of the same sum; nothing where the minima alone pass it.
    """
    floors = np.minimum(least, sizes)
    total = int(quotas.sum())
    if floors.sum() > total:
        return None
    raised = np.maximum(quotas, floors)
    while raised.sum() > total:
        spare = np.where(raised > floors, raised, -1)
        raised[len(spare) - 1 - int(spare[::-1].argmax())] -= 1
    return raised
