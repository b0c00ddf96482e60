"""Rows at the border of groups, and lists that tell core and border apart."""

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from coreset_cli.kernels.fixed import Fixed, dot

__all__ = ["farthest_of_each", "supported"]


def farthest_of_each(
    points: Fixed, groups: list[NDArray[np.int64]], count: int
) -> list[NDArray[np.int64]]:
    """The rows of each group farthest from its mean, farthest first.

    Args:
        points: the cloud.
        groups: rows of each; equally far ones stay in their order, two rows always.
        count: rows that each gives, or all it has.
    """
    found = []
    for rows in groups:
        if len(rows) <= 2:
            found.append(rows[:count])
            continue
        part = points.take(rows)
        mean = part.mean()
        squares = part.powers.square() * part.rows.squares - 2 * part.products(mean)
        away = (squares + dot(mean, mean)).cpu().numpy()
        found.append(rows[np.argsort(-away, kind="stable")[:count]])
    return found


def supported(
    core: Int64[np.ndarray, " n"],
    border: Int64[np.ndarray, " b"],
    first: int,
    most: int,
    least: int,
) -> tuple[Int64[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """Core rows, then border rows that are not among them, then core rows while too few.

    Args:
        core: all rows, best first.
        border: some of them, best first.
        first: core rows to begin with.
        most: border rows that follow.
        least: rows in all.

    Returns:
        The rows, and which of them are there as border rows.
    """
    start = core[:first]
    support = border[~np.isin(border, start)][:most]
    found = np.concatenate([start, support])
    rest = core[~np.isin(core, found)][: max(0, least - len(found))]
    marks = np.repeat([False, True, False], [len(start), len(support), len(rest)])
    return np.concatenate([found, rest]), marks
