"""The first rows of a ranking, with a part for every class."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.groups import members

__all__ = ["floored"]


def floored(
    order: NDArray[np.int64], codes: NDArray[np.int64], share: Decimal, k: int
) -> NDArray[np.int64]:
    """The k first rows of a ranking once every class has a share of its proportional part.

    A class of m rows first gets its ⌊share·k·m/n⌋ best; the rest of k are the best of all rows
    left. Those that are chosen keep the order of the ranking.

    Args:
        order: [n] all rows, the best first.
        codes: [n] class of each row.
        share: in [0, 1].
        k: rows to keep.
    """
    kept = np.zeros(len(order), np.bool_)
    for places in members(codes[order], int(codes.max()) + 1):
        part = Fraction(share) * k * len(places) / len(order)
        kept[places[: int(part)]] = True
    rest = np.flatnonzero(~kept)
    kept[rest[: k - np.count_nonzero(kept)]] = True
    return order[kept]
