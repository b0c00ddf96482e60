"""SemDeDup: rows that no other row of their cluster repeats, the least repeated first.

Source: Abbas, Tirumala, Simig, Ganguli & Morcos, "SemDeDup: data-efficient learning at web-scale
through semantic deduplication", arXiv 2303.09540, 2023.
Cost: O(n m d) time for clusters of m rows, beside k-means; O(n) memory beside the rows.
Robustness: drops copies, whatever they show; outliers repeat nothing and stay.
Deviates: the budget sets the threshold, which is reported as the fact `epsilon`; rows of other
clusters are not compared, so up to 20,000 rows are one cluster.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.duplicates import nearest_before
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.kmeans import CENTRES_HELD, divergences, spherical_kmeans
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Semdedup"]

ONE_CLUSTER = 4
"""Clusters' worth of rows that are still compared all with all."""


@dataclass(frozen=True, kw_only=True)
class Semdedup:
    """Drop rows that are nearly copies of a row before them in their cluster.

    Args:
        keep: which row of a group of copies comes first and stays: the farthest from the centre of
            the cluster (`hard`), the nearest (`easy`), or one drawn from the seed (`random`).
        rows_per_cluster: average rows of a cluster; up to four times as many are one cluster.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    keep: Literal["hard", "easy", "random"] = "hard"
    rows_per_cluster: int = 5000

    def __post_init__(self) -> None:
        if self.rows_per_cluster < 1:
            raise InvalidParameter("semdedup: rows_per_cluster must be at least 1")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows of least cosine to a row before them, which is the score."""
        vectors = data.embeddings.unit()
        points = fixed(vectors)
        found = spherical_kmeans(points, self._count(data.n), rng)
        order = self._order(divergences(vectors, found).cpu().numpy(), data, rng)
        codes = found.codes.cpu().numpy()[order]
        zero = torch.zeros(data.n, dtype=torch.bool, device=points.device)
        zero[points.zeros] = True
        one = 4.0**points.grid.step
        squares = np.empty(data.n)
        done = 0
        for places in members(codes, len(found.centres)):
            rows = torch.from_numpy(order[places]).to(points.device)
            near = nearest_before(points.rows.take(rows), zero[rows], one)
            squares[order[places]] = near.cpu().numpy()
            done += len(places)
            data.progress(k * done // data.n, k)
        kept = np.lexsort((data.key.rank, -squares))[:k]
        cosines = np.maximum(-1.0, 1 - squares[kept] / 2 / one)
        return Picks(rows=kept, scores=cosines, facts={"epsilon": 1 - float(cosines[-1])})

    def cost(self, n: int, k: int) -> Cost:
        """k-means, and every row against those of its cluster once, half a pass each."""
        count = self._count(n)
        kept = CENTRES_HELD * count
        pairs = n / count / 2
        return Cost(reads=4.0, passes=count + 20.0 + pairs, grids=2.0, kept=kept, state=96)

    def _count(self, n: int) -> int:
        few = n <= ONE_CLUSTER * self.rows_per_cluster
        return 1 if few else -(-n // self.rows_per_cluster)

    def _order(self, away: NDArray[np.float64], data: Inputs, rng: Rng) -> NDArray[np.int64]:
        if self.keep == "random":
            return rng.shuffled("semdedup", data.key)
        return ranked(away, data.key.rank, "high" if self.keep == "hard" else "low")
