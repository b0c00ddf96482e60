"""Clusters of rows as labels: which kernel finds them, and how many they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.kmeans import CENTRES_HELD, spherical_kmeans
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng

__all__ = ["Clusterer", "Clustering", "SphericalKMeans", "numbered_by_id"]

ROUNDS = 20
"""Rounds of k-means that are usual."""


@runtime_checkable
class Clusterer(Protocol):
    """What divides rows into clusters, without labels."""

    def codes(
        self, points: Points, count: int, rng: Rng, progress: Callable[[int, int], None]
    ) -> NDArray[np.int64]:
        """[n] the cluster of each row, 0 … count − 1; a cluster may have no rows."""
        ...

    def memory(self, n: int, d: int, count: int) -> int:
        """Bytes that it holds at most."""
        ...

    def work(self, n: int, d: int, count: int) -> float:
        """About how many products of two numbers it takes."""
        ...

    def brief(self) -> "Clusterer":
        """The same with little work for a row, to be timed."""
        ...


@dataclass(frozen=True)
class Clustering:
    """How rows get the labels that a method is to see instead of those of the input.

    Args:
        by: what finds the clusters.
        clusters: how many; 0 for as many as the input has distinct labels.
    """

    by: Clusterer
    clusters: int


@dataclass(frozen=True)
class SphericalKMeans:
    """Clusters of directions; see `spherical_kmeans`."""

    def codes(
        self, points: Points, count: int, rng: Rng, progress: Callable[[int, int], None]
    ) -> NDArray[np.int64]:
        """See `Clusterer`."""
        found = spherical_kmeans(fixed(points.unit()), count, rng).codes.cpu().numpy()
        progress(1, 1)
        return found

    def memory(self, n: int, d: int, count: int) -> int:
        """The rounded rows, and the centres."""
        return n * (2 * d + 96) + 2 * CENTRES_HELD * count * d

    def work(self, n: int, d: int, count: int) -> float:
        """Each row against each centre: at the start, and in every round."""
        return float(n * d * count * ROUNDS)

    def brief(self) -> "SphericalKMeans":
        """It is brief."""
        return self


def numbered_by_id(
    codes: Int64[NDArray[np.int64], " n"], rank: Int64[NDArray[np.int64], " n"]
) -> Int64[NDArray[np.int64], " n"]:
    """The same clusters, numbered by the smallest id in each: their old numbers no longer matter.

    Args:
        codes: cluster of each row.
        rank: rank of each row's id.
    """
    first = np.full(codes.max() + 1, len(codes))
    np.minimum.at(first, codes, rank)
    return np.argsort(np.argsort(first, kind="stable"))[codes]
