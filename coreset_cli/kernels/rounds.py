"""Rows cell by cell in rounds: the first of each cell, then the second, and so on."""

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from coreset_cli.kernels.grid import Cells

__all__ = ["drawn", "nearest", "rounds"]

FINE = 1e9
"""Squared distances, in squared widths of a cell, are told apart to this share."""


def rounds(
    cells: Cells, visits: Int64[np.ndarray, " m"], keys: Float64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """All rows: in every round each cell that has rows left gives its next.

    Args:
        cells: that the rows are in.
        visits: the cells in the order in which they are visited.
        keys: of two rows of a cell the one of smaller key comes first; equal ones in their order.
    """
    turn_of = np.empty(len(cells), np.int64)
    turn_of[visits] = np.arange(len(cells))
    inside = np.lexsort((keys, cells.codes))
    place = np.empty(len(keys), np.int64)
    before = np.cumsum(cells.sizes) - cells.sizes
    place[inside] = np.arange(len(keys)) - np.repeat(before, cells.sizes)
    return np.lexsort((turn_of[cells.codes], place))


def nearest(square: Float64[np.ndarray, "n 2"], cells: Cells) -> Float64[np.ndarray, " n"]:
    """Keys by which the row nearest to the centroid is first; two rows are always as near."""
    keys = np.floor(FINE * cells.axis**2 * _squares(square, cells) + 0.5)
    keys[cells.sizes[cells.codes] <= 2] = 0.0
    return keys


def drawn(
    square: Float64[np.ndarray, "n 2"],
    cells: Cells,
    words: UInt64[np.ndarray, " n"],
    *,
    tau: float,
    epsilon: float,
) -> Float64[np.ndarray, " n"]:
    """Keys by which rows are drawn without replacement, by ε + exp(−‖z − centroid‖² / τ).

    Source: Gumbel's trick; Efraimidis & Spirakis, "Weighted random sampling with a reservoir",
    Information Processing Letters 97, 2006.

    Args:
        square: the rows.
        cells: that they are in.
        words: 64 random bits a row.
        tau: in squared widths of a cell.
        epsilon: weight of a row however far.
    """
    away = cells.axis**2 * _squares(square, cells)
    uniform = ((words >> np.uint64(12)) + 0.5) / 2.0**52  # never 0 nor 1
    return np.log(-np.log(uniform)) - np.log(epsilon + np.exp(-away / tau))


def _squares(square: Float64[np.ndarray, "n 2"], cells: Cells) -> Float64[np.ndarray, " n"]:
    """Squared distance of each row to the centroid of its cell."""
    away = square - cells.centroids[cells.codes]
    return away[:, 0] ** 2 + away[:, 1] ** 2
