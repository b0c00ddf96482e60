"""CRAIG: weighted rows to whose gradients those of all rows are near.

Source: Mirzasoleiman, Bilmes & Leskovec, "Coresets for data-efficient training of machine learning
models", ICML 2020, algorithm 1.
Cost: O(n² (c + d)) time at least for c classes, and a column, O(n (c + d)), for every gain computed
again where the matrix of all pairs is not held; O(n²) memory up to 8,192 rows a pool, else
O(n (c + d)).
Robustness: little: rows that the network gets wrong lie far apart and are picked, each for itself;
their weights are small.
Deviates: gradients are those of the last layer, read once, as in other codes that use CRAIG on deep
networks. With `neighbours` above 0 rows are served by their nearest alone: an approximation, as is
`batch` (CRAIG-PB of Killamsetty et al., "GRAD-MATCH", ICML 2021), whose batches go by id; the last
one picked is cut off at the budget. Batches are made inside classes, where there are any: the
paper's of all classes take `--balance none`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import STATE_BYTES, WHOLE_BYTES, Part, last_layer, part_of
from coreset_cli.kernels.greedy import Optimizer
from coreset_cli.kernels.medoids import Medoids, Search, medoids, medoids_state
from coreset_cli.kernels.memo import FORGETFUL
from coreset_cli.kernels.minibatches import Minibatches
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Craig"]


@dataclass(frozen=True, kw_only=True)
class Craig:
    """Pick rows so that every gradient of the last layer has a near one among theirs.

    Args:
        at: the network early on, or at the end of its training.
        gradient: all of it (`layer`), in the biases alone (`bias`), or in the weights and the bias
            of the row's class alone (`own-class`).
        batch: rows of the mini-batches whose mean gradients stand for theirs; 1 for rows alone.
        optimizer: `lazy` picks as `naive` does from fewer gains, `stochastic` among drawn rows.
        epsilon: what `stochastic` may lose, a share of the best value; in (0, 1).
        neighbours: rows that each row may be served by, its nearest; 0 for all, which is exact.
    """

    exact: ClassVar[bool] = False

    at: Literal["early", "last"] = "early"
    gradient: Part = "layer"
    batch: int = 1
    optimizer: Optimizer = "lazy"
    epsilon: float = 0.1
    neighbours: int = 0

    def __post_init__(self) -> None:
        self._search.require("craig")
        if self.batch < 1:
            raise InvalidParameter(f"craig: batch is {self.batch}; it must be at least 1")

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

        The fact is the mean distance of a gradient from the one that serves it. Where batches are
        picked, a row has the weight of its batch, and distances are those of batches.
        """
        order = np.argsort(data.key.rank)
        key = data.key.take(order)
        shot: Snapshot = getattr(data, self.at)
        gradients = last_layer(shot, data.targets, order)
        gradients = part_of(gradients, self.gradient, data.targets[order])
        batches = Minibatches(data.n, self.batch)
        means = batches.means(gradients)

        def picked(count: int) -> Medoids:
            return medoids(
                means.distances,
                2 * float(means.norms.max()),
                count,
                search=self._search,
                key=key.take(batches.starts),
                rng=rng,
                progress=lambda done, of: data.progress(k * done // of, k),
                memo=data.memo if self.batch == 1 else FORGETFUL,
            )

        found = picked(batches.fewest(k))
        if batches.sizes[found.rows].sum() < k:
            found = picked(batches.fewest(k) + 1)
        rows, weights = batches.spread(found.rows, found.sizes, k)
        return Picks(rows=order[rows], weights=weights, facts={"distance": found.distance})

    def cost(self, n: int, k: int) -> Cost:
        """Nothing of the vectors; all pairs of gradients, or of those of batches."""
        pairs = medoids_state(-(-n // self.batch), self.neighbours) // self.batch
        held = 0 if self.batch == 1 else -(-WHOLE_BYTES // n)
        return Cost(state=STATE_BYTES + pairs + held)

    @property
    def _search(self) -> Search:
        return Search(optimizer=self.optimizer, epsilon=self.epsilon, neighbours=self.neighbours)
