"""Set functions with diminishing gains: what a row adds to a set, and adding it."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.points import SMALL
from coreset_cli.kernels.similarity import Similarity, columns_at_once

__all__ = ["FacilityLocation", "GraphCut", "Objective", "cluster_sizes"]


@runtime_checkable
class Objective(Protocol):
    """A function of a set of rows that grows one row at a time; gains never rise."""

    @property
    def rank(self) -> Int64[Tensor, " n"]:
        """Rank of each row's id, for ties."""
        ...

    @property
    def ready(self) -> bool:
        """Whether gains are kept, so that those of all rows are had for nothing."""
        ...

    def gains(self, rows: NDArray[np.int64]) -> Float64[NDArray[np.float64], " b"]:
        """What each of some rows would add."""
        ...

    def add(self, row: int) -> None:
        """Put a row into the set."""
        ...

    def scores(self, gains: NDArray[np.float64]) -> Float64[NDArray[np.float64], " k"]:
        """Gains of the first, second, … row that was added, in units of the similarity."""
        ...


@dataclass
class FacilityLocation:
    """F(S) = Σ_i max_{j∈S} s_ij: every row is served by the most similar row of the set.

    Monotone and submodular; gains are sums of whole numbers.

    Source: Mirchandani & Francis, "Discrete location theory", 1990; Krause & Golovin, "Submodular
    function maximization", 2014.

    Args:
        similarity: of all rows; from 0 on.
    """

    ready: ClassVar[bool] = False

    similarity: Similarity
    _reached: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._reached = np.zeros(len(self.rank), np.int32)

    @property
    def rank(self) -> Int64[Tensor, " n"]:
        """See `Objective`."""
        return self.similarity.rank

    def gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Objective`."""
        found = np.empty(len(rows))
        step = columns_at_once(len(self.rank))
        for start in range(0, len(rows), step):
            at = rows[start : start + step]
            found[start : start + step] = self._gains(self.similarity.columns(at))
        return found

    def add(self, row: int) -> None:
        """See `Objective`."""
        column = self.similarity.columns(np.array([row]))[0]
        np.maximum(self._reached, column, out=self._reached)

    def scores(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective`."""
        found = gains * self.similarity.unit
        found[:1] += len(self.rank) * self.similarity.base
        return found

    def _gains(self, columns: NDArray[np.int32]) -> NDArray[np.float64]:
        if columns.size < SMALL:
            gains = np.maximum(columns - self._reached, 0).sum(1, dtype=np.int64)
            return gains.astype(np.float64)
        from coreset_cli.kernels import machine_similar as machine  # takes seconds the first time

        found = np.empty(len(columns))
        machine.GAINS[not self.similarity.serial](columns, self._reached, found)
        return found


@dataclass
class GraphCut:
    """G(S) = λ Σ_i Σ_{j∈S} s_ij − Σ_{i,j∈S} s_ij: like all rows, unlike each other.

    Submodular; monotone for λ ≥ 2, below it gains turn negative. One column a row that is added.

    Source: Iyer, Khargoankar, Bilmes & Asanani, "Submodular combinatorial information measures",
    ALT 2021; there λ is on the second sum, and ours is 1 over it.

    Args:
        similarity: of all rows.
        weight: λ.
    """

    ready: ClassVar[bool] = True

    similarity: Similarity
    weight: float
    _value: NDArray[np.float64] = field(init=False)
    _within: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._value = self.weight * self.similarity.totals() - self.similarity.own()
        self._within = np.zeros(len(self.rank))

    @property
    def rank(self) -> Int64[Tensor, " n"]:
        """See `Objective`."""
        return self.similarity.rank

    def gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Objective`."""
        return self._value[rows] - 2 * self._within[rows]

    def add(self, row: int) -> None:
        """See `Objective`."""
        self._within += self.similarity.columns(np.array([row]))[0]

    def scores(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective`."""
        inside = 2.0 * np.arange(len(gains)) + 1
        share = (self.weight * len(self.rank) - inside) * self.similarity.base
        return gains * self.similarity.unit + share


def cluster_sizes(
    similarity: Similarity, picks: NDArray[np.int64]
) -> Int64[NDArray[np.int64], " k"]:
    """How many rows each pick serves: itself, and those to which no pick is more similar.

    A pick serves itself even if an equal row was picked before it; of equally similar picks the
    earliest serves a row. So every pick serves one row at least, and all n are served.

    Args:
        similarity: of all rows.
        picks: [k] distinct rows in the order picked.
    """
    n = len(similarity.rank)
    nearest, owner = np.full(n, -1, np.int32), np.zeros(n, np.int64)
    step = columns_at_once(n)
    for start in range(0, len(picks), step):
        block = similarity.columns(picks[start : start + step])
        best = block.argmax(0)  # the earliest of equals
        value = block[best, np.arange(n)]
        closer = value > nearest
        nearest[closer], owner[closer] = value[closer], start + best[closer]
    owner[picks] = np.arange(len(picks))
    return np.bincount(owner, minlength=len(picks))
