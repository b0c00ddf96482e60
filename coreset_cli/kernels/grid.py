"""Rows of a plane in the cells of a square."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["Cells", "Scale", "cells_of", "unit_square"]

Scale = Literal["minmax", "quantile", "rank"]
"""How a coordinate is brought to [0, 1]."""

FLAT = 1e-6
"""A coordinate of this share of the other's range, or less, is rounding."""

TAILS = (0.005, 0.995)
"""Quantiles that `quantile` clips at."""


@dataclass(frozen=True)
class Cells:
    """Cells that hold rows, in lexicographic order of their places.

    Args:
        axis: cells along an axis.
        codes: [n] cell of each row.
        places: [m, 2] place of each cell, 0 … axis − 1.
        sizes: [m] rows of each cell.
        centroids: [m, 2] mean of the cell's rows in the square.
    """

    axis: int
    codes: Int64[np.ndarray, " n"]
    places: Int64[np.ndarray, "m 2"]
    sizes: Int64[np.ndarray, " m"]
    centroids: Float64[np.ndarray, "m 2"]

    def __len__(self) -> int:
        """How many hold rows."""
        return len(self.sizes)


def unit_square(plane: Float64[np.ndarray, "n 2"], scale: Scale) -> Float64[np.ndarray, "n 2"]:
    """Each coordinate brought to [0, 1] by itself; 0 where its range is only rounding.

    Args:
        plane: the rows.
        scale: `minmax` to the least and the largest value; `quantile` clips at 0.5 and 99.5 %
            before; `rank` takes the share of rows below, equal ones at their mean.
    """
    if scale == "quantile":
        plane = plane.clip(*np.quantile(plane, TAILS, axis=0))
    least = plane.min(0)
    width = plane.max(0) - least
    flat = width <= FLAT * width.max()
    if scale == "rank":
        square = np.stack([_ranks(column) for column in plane.T], 1) / max(1, len(plane) - 1)
    else:
        square = (plane - least) / np.where(flat, 1.0, width)
    square[:, flat] = 0.0
    return square


def cells_of(square: Float64[np.ndarray, "n 2"]) -> Cells:
    """Divide the unit square into ⌈2 ln(1 + n)⌉ by as many cells.

    Means are summed in the order of the rows: give them in an order that means something.

    Args:
        square: [n, 2] rows, n at least 1; 1 belongs to the last cell.
    """
    axis = math.ceil(2 * math.log1p(len(square)))
    at = np.minimum(axis - 1, np.floor(axis * square)).astype(np.int64)
    used, codes, sizes = np.unique(
        at[:, 0] * axis + at[:, 1], return_inverse=True, return_counts=True
    )
    centroids = np.stack([np.bincount(codes, column) / sizes for column in square.T], 1)
    places = np.stack([used // axis, used % axis], 1)
    return Cells(axis=axis, codes=codes, places=places, sizes=sizes, centroids=centroids)


def _ranks(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """How many values are below each, equal ones at the mean of their places."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[codes]
