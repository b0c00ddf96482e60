"""Prototypes: rows by their distance to the nearest centre of k-means, without labels.

Source: Sorscher, Geirhos, Shekhar, Ganguli & Morcos, "Beyond neural scaling laws: beating power
law scaling via data pruning", NeurIPS 2022, section 5 and appendix B.
Cost: O(n d c) time for each round over c clusters, O(n + c d) memory; at most 100 rounds.
Robustness: `keep=hard` keeps outliers first and belongs to clean, plentiful data; `easy` drops
them.
Deviates: the number of clusters follows the number of rows of a pool, not of the classes; classes
share the budget by composition, and `class_floor` is only for one pool of all.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.floors import floored
from coreset_cli.kernels.kmeans import CENTRES_HELD, MOST_ROUNDS, divergences, spherical_kmeans
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Prototypes"]

UNCONVERGED = f"k-means was stopped after {MOST_ROUNDS} rounds; its clusters still changed a little"
SCARCE = "keep=hard is for plentiful data; for less than a fifth of the rows try --set keep=easy"


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """Rank rows by 1 − cosine to the centre of their cluster.

    Args:
        keep: `hard` keeps the rows farthest from their centre, `easy` the nearest.
        clusters: of k-means, at most.
        rows_per_cluster: average rows of a cluster at least; clusters become fewer.
        class_floor: share, in [0, 1], of its proportional part that every class gets before the
            rest goes by rank alone; above 0 it reads labels, and belongs with --balance none.
    """

    exact: ClassVar[bool] = True

    keep: Literal["hard", "easy"] = "hard"
    clusters: int = 1000
    rows_per_cluster: int = 50
    class_floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("clusters", "rows_per_cluster"):
            if getattr(self, name) < 1:
                raise InvalidParameter(f"prototypes: {name} must be at least 1")
        if not 0 <= self.class_floor <= 1:
            raise InvalidParameter("prototypes: class_floor must be between 0 and 1")

    @property
    def needs(self) -> frozenset[Field]:
        """Vectors; labels where classes are given a part."""
        return needs("embeddings", "labels") if self.class_floor else needs("embeddings")

    @property
    def prefix(self) -> bool:
        """Without parts of classes, every prefix is the smaller selection."""
        return self.class_floor == 0

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows by rank; facts are the clusters and the rounds that k-means took."""
        vectors = data.embeddings.unit()
        found = spherical_kmeans(fixed(vectors), self._count(data.n), rng)
        scores = divergences(vectors, found).cpu().numpy()
        rows = ranked(scores, data.key.rank, "high" if self.keep == "hard" else "low")
        if self.class_floor:
            rows = self._with_floors(data, rows, k)
        notes: tuple[str, ...] = () if found.converged else (UNCONVERGED,)
        if self.keep == "hard" and 5 * k < data.n:
            notes += (SCARCE,)
        facts = {"clusters": float(len(found.centres)), "rounds": float(found.rounds)}
        return Picks(rows=rows[:k], scores=scores[rows[:k]], notes=notes, facts=facts)

    def cost(self, n: int, k: int) -> Cost:
        """A pass for every start, some twenty rounds, and the distances from the stored values."""
        count = self._count(n)
        kept = CENTRES_HELD * count
        return Cost(reads=4.0, passes=min(count, 100) + 20.0, grids=1.0, kept=kept, state=96)

    def _count(self, n: int) -> int:
        return min(n, self.clusters, -(-n // self.rows_per_cluster))

    def _with_floors(self, data: Inputs, order: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        return floored(order, data.labels.codes, Decimal(str(self.class_floor)), k)
