"""SemDeDup: rows that no other row of their cluster repeats, the least repeated first.

Source: Abbas, Tirumala, Simig, Ganguli & Morcos, "SemDeDup: data-efficient learning at web-scale
through semantic deduplication", arXiv 2303.09540, 2023.
Cost: O(n m d) time for clusters of m rows, beside k-means; O(n) memory beside the rows.
Robustness: drops copies, whatever they show; outliers repeat nothing and stay.
Deviates: the budget sets the threshold, which is reported as the fact `epsilon`; rows of other
clusters are not compared, so up to 20,000 rows are one cluster. `rule=greedy` is what the words of
the paper say, `max` what its code does; the threshold of `greedy` is found by halving.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.duplicates import Directions, apart, nearest_before
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
        rule: which rows repeat others: those near to any row before them, so that a chain of near
            rows leaves one (`max`), or those near to a row before them that is kept (`greedy`).
        rows_per_cluster: average rows of a cluster; up to four times as many are one cluster.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True

    keep: Literal["hard", "easy", "random"] = "hard"
    rule: Literal["max", "greedy"] = "max"
    rows_per_cluster: int = 5000

    def __post_init__(self) -> None:
        if self.rows_per_cluster < 1:
            raise InvalidParameter("semdedup: rows_per_cluster must be at least 1")

    @property
    def prefix(self) -> bool:
        """What is kept at another threshold is another matter where only kept rows count."""
        return self.rule == "max"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows of least cosine to a row before them, which is the score."""
        vectors = data.embeddings.unit()
        points = fixed(vectors)
        found = spherical_kmeans(points, self._count(data.n), rng)
        order = self._order(divergences(vectors, found).cpu().numpy(), data, rng)
        clusters = members(found.codes.cpu().numpy()[order], len(found.centres))
        zero = torch.zeros(data.n, dtype=torch.bool, device=points.device)
        zero[points.zeros] = True
        one = 4.0**points.grid.step
        directions = Directions(
            rows=points.rows,
            zero=zero,
            one=one,
            groups=[torch.from_numpy(order[places]).to(points.device) for places in clusters],
        )

        def told(done: int, total: int) -> None:
            data.progress(k * done // total, k)

        if self.rule == "max" or k == data.n:
            squares = nearest_before(directions, told).cpu().numpy()
        else:
            squares = apart(directions, k, told).cpu().numpy()
        kept = np.lexsort((data.key.rank, -squares))[:k]
        cosines = np.maximum(-1.0, 1 - squares[kept] / 2 / one)
        return Picks(rows=kept, scores=cosines, facts={"epsilon": 1 - float(cosines[-1])})

    def cost(self, n: int, k: int) -> Cost:
        """k-means, and every row against those of its cluster once, half a pass each.

        Where only kept rows count, once for each halving against those: measured 0.4 to 6 times.
        """
        count = self._count(n)
        kept = CENTRES_HELD * count
        repeats = 1.0 if self.rule == "max" else min(6.0, 1 + 10 * k / n)
        pairs = repeats * n / count / 2
        return Cost(reads=4.0, passes=count + 20.0 + pairs, grids=2.0, kept=kept, state=96)

    def _count(self, n: int) -> int:
        few = n <= ONE_CLUSTER * self.rows_per_cluster
        return 1 if few else -(-n // self.rows_per_cluster)

    def _order(self, away: NDArray[np.float64], data: Inputs, rng: Rng) -> NDArray[np.int64]:
        if self.keep == "random":
            return rng.shuffled("semdedup", data.key)
        return ranked(away, data.key.rank, "high" if self.keep == "hard" else "low")
