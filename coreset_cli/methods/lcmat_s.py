"""LCMat-S: weighted rows near to all others in gradient and in curvature of the loss.

Source: Shin, Bae, Shin, Joo & Moon, "Loss-curvature matching for dataset selection and
condensation", AISTATS 2023, section 4.2.
Cost: O(n² (c + d + m)) time at least for c classes and m coordinates, O(n²) memory up to 8,192 rows
a pool, else O(n (c + d)) and columns computed again.
Robustness: little, as craig: rows that the network gets wrong lie far apart and are picked.
Deviates: gradients and curvature are of the last layer, in closed form; the similarity is a bound
less the distance, so far rows are served too; rows come with weights, the rows that each serves.
`curvature=gradient-variance` compares squared gradients, `c_mode=relative` frees c from units.
With `neighbours` above 0 rows are served by their nearest alone: an approximation.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.entries import Entries
from coreset_cli.kernels.gradients import STATE_BYTES, RankOne, curvature, last_layer
from coreset_cli.kernels.greedy import Optimizer
from coreset_cli.kernels.medoids import Search, mean_distance, medoids, medoids_state
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["LcmatS"]


@dataclass(frozen=True, kw_only=True)
class LcmatS:
    """Pick rows so that every row has one of near gradient and near curvature among them.

    Args:
        at: the network early on, or at the end of its training.
        curvature: the diagonal of the Hessian, or squared gradients (`gradient-variance`).
        coordinates: entries of the curvature that are compared, those that vary most.
        c_mode: curvature counts `c` times (`raw`), or `c_rel` times as much as gradients on the
            mean over pairs (`relative`).
        c: of `raw`; 0 leaves gradients alone.
        c_rel: of `relative`.
        optimizer: `lazy` picks as `naive` does from fewer gains, `stochastic` among drawn rows.
        epsilon: what `stochastic` may lose, a share of the best value; in (0, 1).
        neighbours: rows that each row may be served by, its nearest; 0 for all, which is exact.
    """

    exact: ClassVar[bool] = False

    at: Literal["early", "last"] = "early"
    curvature: Literal["hessian", "gradient-variance"] = "hessian"
    coordinates: int = 100
    c_mode: Literal["raw", "relative"] = "raw"
    c: float = 0.01
    c_rel: float = 0.1
    optimizer: Optimizer = "lazy"
    epsilon: float = 0.1
    neighbours: int = 0

    def __post_init__(self) -> None:
        self._search.require("lcmat-s")
        for name in ("c", "c_rel"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InvalidParameter(
                    f"lcmat-s: {name} is {getattr(self, name)}; it must be finite, at least 0"
                )
        if self.coordinates < 1:
            raise InvalidParameter(
                f"lcmat-s: coordinates is {self.coordinates}; it must be at least 1"
            )

    @property
    def needs(self) -> frozenset[Field]:
        """A network."""
        return needs(self.at)

    @property
    def prefix(self) -> bool:
        """Draws depend on the number of picks; weights do always."""
        return self.optimizer != "stochastic"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the weight is how many rows each serves.

        The facts are c, and the mean distance of a row from the one that serves it.
        """
        order = np.argsort(data.key.rank)
        shot: Snapshot = getattr(data, self.at)
        gradients = last_layer(shot, data.targets, order)
        second = curvature(shot, order) if self.curvature == "hessian" else gradients.squared()
        entries = Entries.of(second, self.coordinates)
        c = self._weight(gradients, entries)
        found = medoids(
            lambda rows: (
                gradients.distances(rows) + c * entries.distances(rows)
                if c
                else gradients.distances(rows)
            ),
            2 * float(gradients.norms.max()) + c * entries.farthest,
            k,
            search=self._search,
            key=data.key.take(order),
            rng=rng,
            progress=data.progress,
            memo=data.memo,
        )
        facts = {"c": c, "distance": found.distance}
        return Picks(rows=order[found.rows], weights=found.sizes, facts=facts)

    def cost(self, n: int, k: int) -> Cost:
        """Nothing of the vectors; all pairs of gradients and curvatures."""
        pairs = medoids_state(n, self.neighbours)
        return Cost(state=STATE_BYTES + 8 * self.coordinates + pairs)

    def _weight(self, gradients: RankOne, entries: Entries) -> float:
        if self.c_mode == "raw":
            return self.c
        apart = mean_distance(entries.distances, gradients.n)
        if apart == 0:
            return 0.0
        return self.c_rel * mean_distance(gradients.distances, gradients.n) / apart

    @property
    def _search(self) -> Search:
        return Search(optimizer=self.optimizer, epsilon=self.epsilon, neighbours=self.neighbours)
