"""Kernels of the distance: 1 for copies, towards 0 far apart; the same bits on every machine.

The exponential of a library is rounded in its own way; here it is a table of correctly rounded
values and a polynomial, one operation at a time. Values are then whole numbers of 2⁻³², so that
sums of them are exact in any order, up to 2²¹ rows.
"""

from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import root
from coreset_cli.kernels.pairs import median_square
from coreset_cli.seeds import Rng

__all__ = ["ONE", "WIDTH_ROWS", "Radial", "Shape", "decay", "median_kernel"]

Shape = Literal["gaussian", "laplace"]
"""The kernel falls with the squared distance, or with the distance."""

ONE = 2.0**32
"""The kernel of copies."""

WIDTH_ROWS = 2000
"""Rows whose pairs say how far apart two rows usually are."""

FINE = 128
"""Entries of the table of the exponential between one whole number and the next."""

LAST = 32
"""e^−t is 0, in units of 2⁻³², from here on."""


@dataclass(frozen=True)
class Radial:
    """A positive definite function of the distance of two rows.

    Args:
        shape: `gaussian` is e^−(distance² / width), `laplace` is e^−(distance / width).
        width: in grid units, squared for `gaussian`.
    """

    shape: Shape
    width: float

    @property
    def reach(self) -> float:
        """Distance, in grid units, at which the kernel is 1/e."""
        return self.width**0.5 if self.shape == "gaussian" else self.width

    def of(self, squares: Float64[Tensor, "*s"]) -> Float64[Tensor, "*s"]:
        """Values, in whole numbers of 2⁻³², at some squared distances."""
        if self.shape == "laplace":
            squares = root(squares.flatten()).view(squares.shape)
        return torch.round(decay(squares / self.width) * ONE)


def median_kernel(shape: Shape, points: Fixed, width: float, rng: Rng) -> Radial:
    """The kernel that falls to 1/e at a multiple of the median distance.

    Source: the median heuristic; Gretton, Borgwardt, Rasch, Schölkopf & Smola, "A kernel two-sample
    test", JMLR 13, 2012, section 8.

    Args:
        shape: of its fall.
        points: rows whose pairs give the median; above 2,000 rows, the pairs of so many.
        width: the multiple.
        rng: draws them.
    """
    few = points.rows
    if len(points) > WIDTH_ROWS:
        few = points.take(
            np.sort(rng.shuffled("kernel width", points.points.key)[:WIDTH_ROWS])
        ).rows
    square = median_square(few) * width * width
    return Radial(shape, square if shape == "gaussian" else square**0.5)


def decay(values: Float64[Tensor, "*s"]) -> Float64[Tensor, "*s"]:
    """e^−t for t ≥ 0, within 10⁻¹²; 0 from t = 32 on."""
    values = values.clamp(max=float(LAST))
    step = torch.floor(values * FINE)
    rest = values.sub_(step / FINE)
    series = 1 - rest / 4
    for power in (3.0, 2.0, 1.0):
        series.mul_(rest / power).neg_().add_(1.0)
    return series.mul_(_table().to(values.device)[step.long()])


@cache
def _table() -> Float64[Tensor, " t"]:
    exact = Context(prec=30)
    found = [float(exact.exp(Decimal(-i) / FINE)) for i in range(LAST * FINE)]
    return torch.tensor([*found, 0.0], dtype=torch.float64)
