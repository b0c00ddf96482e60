"""Squared distances of rows on the grid, pair by pair.

For rows without lift they are whole numbers below 2³³, whatever order they are summed in; rows far
out are rounded one operation at a time. So nothing here depends on threads, blocks or device.
"""

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS, Rounded

__all__ = ["BLOCK_ROWS", "median_square", "square_lengths", "squares_between", "squares_to"]

BLOCK_ROWS = 512
"""Rows on either side of a block of pairs: 2 MiB of distances, and enough for a matrix product."""


def square_lengths(rows: Rounded) -> Float64[Tensor, " n"]:
    """Squared distance of each row to the origin."""
    return (_powers(rows) ** 2) * rows.squares


def squares_between(rows: Rounded, others: Rounded) -> Float64[Tensor, "m b"]:
    """Squared distances of all rows to all others, in grid units; the blocks are the caller's."""
    device = rows.lifts.device
    product = rows.values.to(device).double() @ others.values.to(device).double().T
    product *= (2 * _powers(rows))[:, None] * _powers(others)
    lengths = square_lengths(rows)[:, None] + square_lengths(others)
    return lengths.sub_(product).clamp_(min=0)


def squares_to(points: Fixed, row: int) -> Float64[Tensor, " n"]:
    """Squared distance of each row to one of them, in grid units: one pass over the rows."""
    one = points.rows.take(slice(row, row + 1))
    vector = one.values[0].to(points.device).double()
    product = points.points.loops.products(points.rows, vector) * (2 * _powers(one))
    lengths = square_lengths(points.rows) + square_lengths(one)
    return lengths.sub_(product).clamp_(min=0)


def median_square(rows: Rounded) -> float:
    """Median squared distance of two rows, in grid units; rows are few, as n² values are held.

    Where more than half of the pairs are copies, the mean over the others; 1 where all are.
    """
    n = len(rows)
    squares = np.concatenate(
        [
            squares_between(rows.take(slice(start, start + BLOCK_ROWS)), rows)
            .cpu()
            .numpy()[np.arange(start, min(start + BLOCK_ROWS, n))[:, None] < np.arange(n)]
            for start in range(0, n, BLOCK_ROWS)
        ]
    )
    if not squares.any():
        return 1.0
    median = float(np.median(squares))
    if median > 0:
        return median
    some = np.sort(squares[squares > 0])
    return float(np.cumsum(some)[-1]) / len(some)


def _powers(rows: Rounded) -> Float64[Tensor, " n"]:
    return POWERS.to(rows.lifts.device)[rows.lifts.long()]
