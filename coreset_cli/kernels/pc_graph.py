"""Cells joined to those beside them, and islands of cells by bridges as short as can be.

Source: Diallo & Patras, "Deciphering clusters with a deterministic measure of clustering
tendency", IEEE TKDE 2024 (proximally connected graphs).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from coreset_cli.kernels.grid import Cells

__all__ = ["PcGraph", "pc_graph"]

DECIMALS = 12
"""Of a length, in the unit square, when bridges are compared."""


@dataclass(frozen=True)
class PcGraph:
    """Edges between cells, the smaller number first.

    Args:
        adjacent: [a, 2] cells that share a side.
        bridges: [b, 2] what joins them into one graph, shortest first.
        degrees: [m] edges of each cell, of both kinds.
    """

    adjacent: Int64[np.ndarray, "a 2"]
    bridges: Int64[np.ndarray, "b 2"]
    degrees: Int64[np.ndarray, " m"]

    @property
    def islands(self) -> int:
        """Parts that there are without bridges."""
        return len(self.bridges) + 1


def pc_graph(cells: Cells) -> PcGraph:
    """Join cells that share a side, then islands by a minimum spanning tree.

    A bridge is as long as its centroids are apart; of equally long ones, that of the smaller cells
    is taken. All pairs of cells are looked at: some 840 cells at most of a million rows.

    Args:
        cells: that hold rows.
    """
    m = len(cells)
    first, second = np.triu_indices(m, 1)
    beside = np.abs(cells.places[first] - cells.places[second]).sum(1) == 1
    adjacent = np.stack([first[beside], second[beside]], 1)
    parent = list(range(m))
    for one, other in adjacent.tolist():
        _join(parent, one, other)
    part = np.array([_root(parent, cell) for cell in range(m)])
    missing = len(np.unique(part)) - 1
    apart = part[first] != part[second]
    first, second = first[apart], second[apart]
    away = cells.centroids[first] - cells.centroids[second]
    length = np.round(np.hypot(away[:, 0], away[:, 1]), DECIMALS)
    order = np.lexsort((second, first, length))
    bridges: list[tuple[int, int]] = []
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if len(bridges) == missing:
            break
        if _join(parent, one, other):
            bridges.append((one, other))
    joined = np.array(bridges, np.int64).reshape(-1, 2)
    degrees = np.bincount(np.concatenate([adjacent, joined]).ravel(), minlength=m)
    return PcGraph(adjacent, joined, degrees)


def _root(parent: list[int], cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


def _join(parent: list[int], one: int, other: int) -> bool:
    """Make two parts one; false where they are one already."""
    first, second = _root(parent, one), _root(parent, other)
    parent[max(first, second)] = min(first, second)
    return first != second
