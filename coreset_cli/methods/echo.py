"""ECHO: rows from the cells of a square that the data is laid into, best joined cells first.

Source: "ECHO: effective coreset-driven hierarchical optimization", Mobile Intelligence Lab, as far
as its text says; its graphs: Diallo & Patras, IEEE TKDE 2024.
Cost: O(n d) time for some eighty passes of the projection, O(n) memory beside the rows.
Robustness: `scale=minmax` lets a single far outlier squeeze all others into one cell; `quantile`
stands a few of them. At equal numbers of rows it is about as good as random.
Deviates: `pca` by default, where the paper trains a network (`mlp`); ties between cells go by rows,
then by place. Support rows count as rows; the paper's accounting is `count_support=false`. Support
rows are rows of the data (γ = 1), and two of a cell always go by id.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.border import farthest_of_each, supported
from coreset_cli.kernels.distance_map import EPOCHS, HELD_ROWS, distance_map
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.grid import Scale, cells_of, unit_square
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.pc_graph import pc_graph
from coreset_cli.kernels.projection import MOST_STEPS, plane_of
from coreset_cli.kernels.rounds import drawn, nearest, rounds
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Echo"]

STATE_BYTES = 240
"""Bytes a row of coordinates, cells, keys and orders."""


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Keep rows of every cell, those near its centroid first.

    Args:
        projection: into the plane: principal components (`pca`), those of rows not centred
            (`svd`), a network that keeps mean distances (`mlp`), or all distances (`mlp-stress`).
        scale: to the square: by the least and largest value (`minmax`), clipped at 0.5 and 99.5 %
            (`quantile`), or by rank.
        mode: of a cell, the nearest to the centroid (`rank`), or drawn by nearness (`sample`).
        tau: how fast nearness falls in `sample`, in squared widths of a cell.
        epsilon: nearness of a row however far, in `sample`.
        support: rows at the border of every cell, farthest from the mean of its vectors.
        count_support: support rows are part of the budget; else all come beside it.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")

    projection: Literal["pca", "svd", "mlp", "mlp-stress"] = "pca"
    scale: Scale = "minmax"
    mode: Literal["rank", "sample"] = "rank"
    tau: float = 1.0
    epsilon: float = 1e-6
    support: int = 0
    count_support: bool = True

    def __post_init__(self) -> None:
        for name in ("tau", "epsilon"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidParameter(
                    f"echo: {name} is {getattr(self, name)}; it must be finite, above 0"
                )
        if self.support not in (0, 1, 2):
            raise InvalidParameter(f"echo: support is {self.support}; it must be 0, 1 or 2")

    @property
    def exact(self) -> bool:
        """Not with a network: its training may depend on threads."""
        return self.projection in ("pca", "svd")

    @property
    def prefix(self) -> bool:
        """While there are no support rows, every prefix is the smaller selection."""
        return self.support == 0

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows by rounds, or core rows and then support rows; facts are of the graph."""
        by_id = np.argsort(data.key.rank)
        square = unit_square(self._plane(data, k, rng)[by_id], self.scale)
        cells = cells_of(square)
        graph = pc_graph(cells)
        visits = np.lexsort((-cells.sizes, -graph.degrees))
        if self.mode == "rank":
            keys = nearest(square, cells)
        else:
            words = rng.draws("echo", data.key.take(by_id))
            keys = drawn(square, cells, words, tau=self.tau, epsilon=self.epsilon)
        core = by_id[rounds(cells, visits, keys)]
        facts = {"cells": len(cells), "components": graph.islands, "bridges": len(graph.bridges)}
        if not self.support:
            return Picks(rows=core[:k], facts=facts)
        groups = [by_id[rows] for rows in members(cells.codes, len(cells))]
        ends = farthest_of_each(fixed(data.embeddings), groups, self.support)
        border = np.concatenate([ends[cell] for cell in visits])
        first = -(-k // (1 + self.support)) if self.count_support else k
        most = k - first if self.count_support else data.n
        rows, support = supported(core, border, first, most, k)
        return Picks(rows=rows, support=support, facts={**facts, "augmented": len(border)})

    def cost(self, n: int, k: int) -> Cost:
        """Two passes a step of the projection, of about forty; or the epochs of a network."""
        grids = float(self.exact or self.support > 0) + float(self.support > 0)
        if self.exact:
            kept = 4 * (MOST_STEPS + 4)
            return Cost(reads=1.0, passes=80.0, grids=grids, kept=kept, state=STATE_BYTES)
        return Cost(reads=EPOCHS + 4.0, grids=grids, kept=HELD_ROWS, state=STATE_BYTES)

    def _plane(self, data: Inputs, k: int, rng: Rng) -> NDArray[np.float64]:
        points = data.embeddings
        if self.exact:
            return plane_of(fixed(points), centred=self.projection == "pca")

        def told(done: int, total: int) -> None:
            data.progress(k * done // total, k)

        return distance_map(points, "means" if self.projection == "mlp" else "pairs", rng, told)
