"""How near each row lies to a row before it."""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from coreset_cli.kernels.loops import Rounded
from coreset_cli.kernels.pairs import BLOCK_ROWS, squares_between

__all__ = ["nearest_before"]


def nearest_before(
    rows: Rounded, zero: Bool[Tensor, " n"], lacking: float
) -> Float64[Tensor, " n"]:
    """Least squared distance of each row to a row before it; ∞ for the first. All pairs, blocked.

    Args:
        rows: in order, at length 1 on a grid.
        zero: rows that have no length.
        lacking: squared length that a zero row lacks, in grid units; two rows of which one is zero
            are further apart by it, so that 1 − cosine is half a squared distance for them too.
    """
    nearest = torch.full((len(rows),), torch.inf, dtype=torch.float64, device=rows.lifts.device)
    for start in range(0, len(rows), BLOCK_ROWS):
        mine = slice(start, start + BLOCK_ROWS)
        for other in range(0, start + 1, BLOCK_ROWS):
            theirs = slice(other, other + BLOCK_ROWS)
            squares = squares_between(rows.take(mine), rows.take(theirs))
            squares += lacking * (zero[mine, None] ^ zero[theirs])
            if other == start:
                later = torch.ones(squares.shape, dtype=torch.bool, device=squares.device).triu()
                squares.masked_fill_(later, torch.inf)
            nearest[mine] = torch.minimum(nearest[mine], squares.min(1).values)
    return nearest
