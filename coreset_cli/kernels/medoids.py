"""Rows near to which all others lie, by greedy facility location on any distance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.greedy import Greedy, Optimizer, maximise
from coreset_cli.kernels.memo import Memo
from coreset_cli.kernels.similarity import Blockwise, Similarity, held, state_bytes
from coreset_cli.kernels.sparse import Nearest
from coreset_cli.kernels.submodular import FacilityLocation, cluster_sizes
from coreset_cli.seeds import Key, Rng

__all__ = ["Medoids", "Search", "mean_distance", "medoids", "medoids_state"]

Doubles = NDArray[np.float64]
Distances = Callable[[NDArray[np.int64]], Doubles]
"""[m, n] distances of some rows from all."""

ROWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Search:
    """How medoids are searched.

    Args:
        optimizer: `lazy` picks as `naive` does from fewer gains, `stochastic` among drawn rows.
        epsilon: what `stochastic` may lose, a share of the best value; in (0, 1).
        neighbours: rows that each row may be served by, its nearest; 0 for all, which is exact.
    """

    optimizer: Optimizer
    epsilon: float
    neighbours: int

    def require(self, name: str) -> None:
        """Refuse what cannot be.

        Args:
            name: of the method, for messages.

        Raises:
            InvalidParameter: it says what would do.
        """
        if not 0 < self.epsilon < 1:
            raise InvalidParameter(
                f"{name}: epsilon is {self.epsilon}; it must be above 0 and below 1"
            )
        if self.neighbours < 0:
            raise InvalidParameter(
                f"{name}: neighbours is {self.neighbours}; it must be at least 0"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Medoids:
    """What was picked.

    Args:
        rows: [k] in the order picked.
        sizes: [k] how many rows each serves; at least 1, and n in all.
        distance: mean distance of a row from the medoid that serves it.
    """

    rows: NDArray[np.int64]
    sizes: Doubles
    distance: float


def medoids(
    distances: Distances,
    farthest: float,
    k: int,
    *,
    search: Search,
    key: Key,
    rng: Rng,
    progress: Callable[[int, int], None],
    memo: Memo,
) -> Medoids:
    """Maximise Σᵢ max over the picks of (farthest − distance), one row at a time.

    Args:
        distances: of all pairs, symmetric, from 0 to `farthest`.
        farthest: any bound of all distances gives the same picks.
        k: rows to pick.
        search: how.
        key: of the n rows, the smallest id first; ties go to the first.
        rng: for `stochastic`.
        progress: told of the picks.
        memo: where picks are kept.
    """
    n = len(key)
    pairs = Blockwise(lambda rows: farthest - distances(rows), farthest, torch.arange(n))
    similarity: Similarity = Nearest(pairs, search.neighbours) if search.neighbours else held(pairs)
    objective = FacilityLocation(similarity)
    run = Greedy(objective, k, progress, memo)
    rows, gains = maximise(run, search.optimizer, key, rng, search.epsilon)
    value = float(objective.scores(gains).sum())
    sizes = cluster_sizes(similarity, rows).astype(np.float64)
    return Medoids(rows=rows, sizes=sizes, distance=farthest - value / n)


def mean_distance(distances: Distances, n: int) -> float:
    """Mean over all pairs of different rows; 0 for one row."""
    total = 0.0
    for start in range(0, n, ROWS_AT_ONCE):
        total += float(distances(np.arange(start, min(n, start + ROWS_AT_ONCE))).sum())
    return total / max(1, n * (n - 1))


def medoids_state(n: int, neighbours: int) -> int:
    """Bytes a row that all pairs take, or what is kept of them."""
    return 48 * neighbours if neighbours else state_bytes(n)
