"""How near each row lies to a row before it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.loops import Rounded
from coreset_cli.kernels.pairs import BLOCK_ROWS, squares_between

__all__ = ["Directions", "apart", "nearest_before", "nearest_kept"]

HALVINGS = 40
"""Of the range of distances: what is left is 10⁻¹² of it."""

MOST = 4.0
"""Largest squared distance of two rows of length 1."""

Progress = Callable[[int, int], None]
"""Called with the work done and all of it."""


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Rows at length 1 on a grid, and the order in which copies are looked for.

    Args:
        rows: n of them.
        zero: rows that have no length.
        one: squared length of the others, in grid units.
        groups: row numbers in order; rows of different groups are not compared.
    """

    rows: Rounded
    zero: Bool[Tensor, " n"]
    one: float
    groups: Sequence[Int64[Tensor, " _"]]

    def squares(
        self, some: Int64[Tensor, " b"], others: Int64[Tensor, " e"]
    ) -> Float64[Tensor, "b e"]:
        """2 − 2 cosine of some rows and some others, in grid units; cosines of zero rows are 0."""
        squares = squares_between(self.rows.take(some), self.rows.take(others))
        return squares.add_(self.one * (self.zero[some, None] ^ self.zero[others]))

    def unbounded(self) -> Float64[Tensor, " n"]:
        """∞ for every row."""
        return torch.full(self.zero.shape, torch.inf, dtype=torch.float64, device=self.zero.device)


def nearest_before(directions: Directions, progress: Progress) -> Float64[Tensor, " n"]:
    """Least squared distance of each row to a row before it; ∞ for the first. All pairs, blocked.

    Args:
        directions: in order.
        progress: told of the rows.
    """
    nearest, done = directions.unbounded(), 0
    for group in directions.groups:
        blocks = group.split(BLOCK_ROWS)
        for number, mine in enumerate(blocks):
            for theirs in blocks[:number]:
                _lower(nearest, mine, directions.squares(mine, theirs))
            squares = directions.squares(mine, mine)
            later = torch.ones(squares.shape, dtype=torch.bool, device=squares.device).triu()
            _lower(nearest, mine, squares.masked_fill_(later, torch.inf))
            done += len(mine)
            progress(done, len(nearest))
    return nearest


def nearest_kept(directions: Directions, least: float) -> Float64[Tensor, " n"]:
    """Least squared distance of each row to a kept row before it; ∞ for the first.

    A row is kept where this is at least `least`; of the others it is some number below.

    Args:
        directions: in order.
        least: in grid units.
    """
    nearest = directions.unbounded()
    for group in directions.groups:
        kept = group[:0]
        for block in group.split(BLOCK_ROWS):
            mine = block
            for theirs in kept.split(BLOCK_ROWS) if len(kept) else ():
                _lower(nearest, mine, directions.squares(mine, theirs))
                mine = mine[nearest[mine] >= least]
            among = _kept_among(directions.squares(mine, mine), nearest[mine], least)
            nearest[mine] = torch.from_numpy(among).to(nearest.device)
            kept = torch.cat([kept, mine[nearest[mine] >= least]])
    return nearest


def apart(directions: Directions, k: int, progress: Progress) -> Float64[Tensor, " n"]:
    """What `nearest_kept` gives for a threshold that keeps k rows, or a few more.

    The threshold is found by halving, and the search ends where just k are kept. How many are kept
    need not fall as it rises, so a larger one may be missed. Copies are kept by none above 0.

    Source: Abbas et al., arXiv 2303.09540, 2023, with rows counted only while they are kept.

    Args:
        directions: in order.
        k: rows wanted.
        progress: told of the halvings.
    """
    low, high, found = 0.0, MOST * directions.one, None
    for number in range(HALVINGS):
        middle = (low + high) / 2
        nearest = nearest_kept(directions, middle)
        kept = int((nearest >= middle).sum())
        progress(number + 1, HALVINGS)
        if kept == k:
            return nearest
        if kept > k:
            low, found = middle, nearest
        else:
            high = middle
    return nearest_kept(directions, 0.0) if found is None else found


def _lower(
    nearest: Float64[Tensor, " n"], rows: Int64[Tensor, " b"], squares: Float64[Tensor, "b e"]
) -> None:
    """Take note of the least distance of each of some rows."""
    nearest[rows] = torch.minimum(nearest[rows], squares.min(1).values)


def _kept_among(
    squares: Float64[Tensor, "b b"], nearest: Float64[Tensor, " b"], least: float
) -> NDArray[np.float64]:
    """[b] least squared distances, those to kept rows before it in the block among them."""
    between, found = squares.cpu().numpy(), nearest.cpu().numpy().copy()
    for place, row in enumerate(between):
        if found[place] >= least:
            np.minimum(found[place + 1 :], row[place + 1 :], out=found[place + 1 :])
    return found
