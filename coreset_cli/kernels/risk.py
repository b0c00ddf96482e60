"""Conditional value at risk: the mean loss of the worst share, of rows or of cells of rows.

Every function returns weights of the rows: non-negative, of sum 1, so that the risk is their inner
product with the losses and, the weights held still, so is its gradient with those of the losses.

Source: Rockafellar & Uryasev, "Optimization of conditional value-at-risk", Journal of Risk 2, 2000;
across cells, of finite distributions, their "Conditional value-at-risk for general loss
distributions", Journal of Banking & Finance 26, 2002.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import FloatArray
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import probabilities
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.rowwise import rowwise
from coreset_cli.kernels.shares import floored_share

__all__ = ["Risk", "cell_tail", "log_losses", "row_tail", "untrimmed", "within_cells"]

LEAST = 1e-6
"""No probability of a row's own label counts as less: a class that no row of a training part has
is not infinitely bad."""


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What a row counts for: a share of the plain mean, and a share of a tail.

    With label noise or gross corruption a tail is made of the bad rows; `trim` is for these, and
    pulls the other way.

    Args:
        kind: the tail is taken across the cells of the rows, within each of them, or over rows.
        level: share of the rows that is the tail, in (0, 1]; 1 is all of them.
        mix: how far the tail counts, from 0, the plain mean, to 1.
        trim: share of the rows, in [0, 1), rounded down: the largest losses, which count nothing.

    Raises:
        InvalidParameter: a value outside its range.
    """

    kind: Literal["cells", "within", "rows"] = "cells"
    level: float = 0.8
    mix: float = 0.5
    trim: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:
            raise InvalidParameter(f"risk: level is {self.level}; it must be in (0, 1]")
        if not 0 <= self.mix <= 1:
            raise InvalidParameter(f"risk: mix is {self.mix}; it must be in [0, 1]")
        if not 0 <= self.trim < 1:
            raise InvalidParameter(f"risk: trim is {self.trim}; it must be in [0, 1)")

    @property
    def plain(self) -> bool:
        """Whether all rows count alike, whatever their losses: no weight need be computed."""
        return self.trim == 0 and self._mean

    def weights(self, losses: NDArray[np.float64], cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n] what each row counts for; 1/n where the tail has no say.

        Args:
            losses: [n] finite, n ≥ 1; of equal ones the first is the larger.
            cells: [n] cell of each row, 0 or more; some may be empty. Not read for `rows`.
        """
        kept = untrimmed(losses, Decimal(str(self.trim)))
        left = losses[kept]
        found = np.zeros(len(losses))
        if self._mean:
            found[kept] = 1 / len(kept)
            return found
        level = Decimal(str(self.level))
        if self.kind == "rows":
            tail = row_tail(left, level)
        elif self.kind == "cells":
            tail = cell_tail(left, cells[kept], level)
        else:
            tail = within_cells(left, cells[kept], level)
        found[kept] = (1 - self.mix) / len(kept) + self.mix * tail
        return found

    @property
    def _mean(self) -> bool:
        """Whether the rows that are left count alike: the tail across cells at 1 is all rows."""
        return self.mix == 0 or (self.level == 1 and self.kind != "within")


def row_tail(losses: NDArray[np.float64], level: Decimal) -> NDArray[np.float64]:
    """[n] weights whose inner product with the losses is the mean of their largest share.

    That is (Σ_{i≤r} ℓ_(i) + (m − r)·ℓ_(r+1)) / m with m = level·n and r = ⌊m⌋, losses descending,
    the first of equal ones before the others.

    Args:
        losses: [n] finite.
        level: the share, in (0, 1].
    """
    return cell_tail(losses, np.arange(len(losses)), level)


def cell_tail(
    losses: NDArray[np.float64], cells: NDArray[np.int64], level: Decimal
) -> NDArray[np.float64]:
    """[n] weights whose inner product with the losses is the tail across cells.

    Cells are visited by mean loss, descending, the lower number first among equals; the rows of
    each share alike what is left of the tail, at most 1/(level·n) a row.

    Args:
        losses: [n] finite.
        cells: [n] cell of each row, 0 or more.
        level: share of the rows that is the tail, in (0, 1].
    """
    numbers, codes, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    means = np.bincount(codes, losses, len(numbers)) / sizes
    worst_first = np.argsort(-means, kind="stable")
    tail = _rows(level, len(losses))
    before = np.cumsum(sizes[worst_first]) - sizes[worst_first]
    taken = np.empty(len(numbers))
    taken[worst_first] = np.clip(tail - before, 0, sizes[worst_first])
    return (taken / sizes / tail)[codes]


def within_cells(
    losses: NDArray[np.float64], cells: NDArray[np.int64], level: Decimal
) -> NDArray[np.float64]:
    """[n] weights of half the mean of the cells' own tails and half the largest of these.

    Cells of a single row are one cell together. The largest tail is that of the lower number among
    equals.

    Args:
        losses: [n] finite.
        cells: [n] cell of each row, 0 or more.
        level: share of each cell's rows that is its tail, in (0, 1].
    """
    numbers, codes, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    alone = sizes == 1
    pooled = np.where(alone, alone.argmax(), np.arange(len(numbers)))[codes]
    inside = [rows for rows in members(pooled, len(numbers)) if len(rows)]
    tails = [row_tail(losses[rows], level) for rows in inside]
    worst = int(np.argmax([tail @ losses[rows] for rows, tail in zip(inside, tails, strict=True)]))
    found = np.zeros(len(losses))
    for number, (rows, tail) in enumerate(zip(inside, tails, strict=True)):
        found[rows] = (0.5 / len(inside) + 0.5 * (number == worst)) * tail
    return found


def untrimmed(losses: NDArray[np.float64], trim: Decimal) -> NDArray[np.int64]:
    """Rows that are left, ascending, when the largest losses are put aside.

    Args:
        losses: [n]; the first of equal ones goes first.
        trim: share of the rows, in [0, 1), rounded down.
    """
    gone = floored_share(trim, len(losses))
    return np.sort(np.argsort(-losses, kind="stable")[gone:])


def log_losses(logits: FloatArray, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """[n] −ln of the probability of each row's label, at most −ln 1e-6.

    Args:
        logits: [n, c].
        targets: [n] class of each row.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """

    def part(some: FloatArray, own: NDArray[np.int64]) -> NDArray[np.float64]:
        p = np.take_along_axis(probabilities(some), own[:, None], 1)[:, 0]
        return np.maximum(0.0, -np.log(np.maximum(p, LEAST)))

    return rowwise(part, logits, targets)


def _rows(level: Decimal, n: int) -> float:
    """`level·n`, rounded once: 0.29 of 100 rows are 29."""
    return float(Fraction(level) * n)
