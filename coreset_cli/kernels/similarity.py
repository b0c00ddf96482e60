"""Similarities of all pairs of rows, as whole numbers.

A similarity is rounded once, to a whole number of at most 2³⁰. Sums over 2³³ rows are then exact in
64 bits, so what is picked by them depends on no order, and no number of threads. The matrix of all
pairs is held where it takes at most `HELD_BYTES`; else columns are computed when they are asked
for, and are the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.errors import NotFinite

__all__ = [
    "BLOCK_VALUES",
    "HELD_BYTES",
    "TOP_BITS",
    "Blockwise",
    "Held",
    "Similarity",
    "column_blocks",
    "columns_at_once",
    "held",
    "stacked",
    "state_bytes",
    "summed",
]

TOP_BITS = 30
"""A similarity is below or at 2³⁰: differences of two fit 32 bits."""

HELD_BYTES = 512 << 20
"""Bytes of a matrix of all pairs that is held: of 11,585 rows."""

BLOCK_VALUES = 1 << 21
"""Similarities that are computed at a time."""

MOST_COLUMNS = 256
"""Columns that are computed at a time, at most."""


@runtime_checkable
class Similarity(Protocol):
    """How similar n rows are to each other; symmetric unless it says otherwise."""

    @property
    def rank(self) -> Int64[Tensor, " n"]:
        """Rank of each row's id, for ties."""
        ...

    @property
    def serial(self) -> bool:
        """Whether the caller's thread computes alone."""
        ...

    @property
    def unit(self) -> float:
        """The similarity that 1 stands for."""
        ...

    @property
    def base(self) -> float:
        """The similarity that 0 stands for."""
        ...

    def columns(self, rows: NDArray[np.int64]) -> Int32[NDArray[np.int32], "b n"]:
        """Similarity of every row to each of some rows; not to be written to."""
        ...

    def matrix(self) -> Int32[NDArray[np.int32], "n n"]:
        """Of all pairs."""
        ...

    def totals(self) -> Float64[NDArray[np.float64], " n"]:
        """Sum of the similarities of all rows to each row."""
        ...

    def own(self) -> Int32[NDArray[np.int32], " n"]:
        """Similarity of each row to itself."""
        ...


@dataclass(frozen=True)
class Blockwise:
    """Similarities that a function computes, a block of columns at a time.

    They are rounded to 2⁻³⁰ of the largest; where the function rounds otherwise on another machine
    or with other blocks, they may differ in the last bit.

    Args:
        block: [b, n] similarities of all rows to some rows, from 0 to the largest.
        largest: bound of all similarities.
        rank: [n] rank of each row's id, for ties.
        serial: compute with the caller's thread alone.
    """

    block: Callable[[NDArray[np.int64]], NDArray[np.floating]]
    largest: float
    rank: Int64[Tensor, " n"]
    serial: bool = False

    base = 0.0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rank)

    @property
    def unit(self) -> float:
        """See `Similarity`."""
        return self.largest / 2**TOP_BITS if self.largest > 0 else 1.0

    def columns(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """See `Similarity`.

        Raises:
            NotFinite: the function gave something that is no number.
        """
        found = np.asarray(self.block(rows), np.float64)
        if not np.isfinite(found).all():
            raise NotFinite("similarities are not finite; check the vectors and signals for NaN")
        return np.rint(found.clip(0.0, self.largest) / self.unit).astype(np.int32)

    def matrix(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        return stacked(self)

    def totals(self) -> NDArray[np.float64]:
        """See `Similarity`."""
        return summed(self)

    def own(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        parts = [found[np.arange(len(at)), at] for at, found in column_blocks(self)]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Held:
    """A matrix of all pairs in memory.

    Args:
        values: [n, n] whole similarities; column j is row j.
        rank: [n] rank of each row's id, for ties.
        unit: the similarity that 1 stands for.
        base: the similarity that 0 stands for.
        serial: compute with the caller's thread alone.
    """

    values: NDArray[np.int32]
    rank: Int64[Tensor, " n"]
    unit: float = 1.0
    base: float = 0.0
    serial: bool = False

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)

    def columns(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """See `Similarity`."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == len(rows) and (np.diff(rows) == 1).all():
            return self.values[first : last + 1]
        return self.values[rows]

    def matrix(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        return self.values

    def totals(self) -> NDArray[np.float64]:
        """See `Similarity`."""
        return summed(self)

    def own(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        return self.values.diagonal()


def held(similarity: Similarity) -> Similarity:
    """The same, in memory where it is small enough."""
    if 4 * len(similarity.rank) ** 2 > HELD_BYTES:
        return similarity
    return Held(
        similarity.matrix(),
        similarity.rank,
        unit=similarity.unit,
        base=similarity.base,
        serial=similarity.serial,
    )


def state_bytes(n: int) -> int:
    """Bytes a row that the similarities of n rows take: all of them, or a block of columns."""
    return 4 * n if 4 * n * n <= HELD_BYTES else 8 * columns_at_once(n)


def columns_at_once(n: int) -> int:
    """How many columns of n rows are worked on at a time."""
    return max(1, min(n, MOST_COLUMNS, BLOCK_VALUES // n))


def column_blocks(
    similarity: Similarity,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """Numbers and values of some columns after another, until there are all."""
    n = len(similarity.rank)
    step = columns_at_once(n)
    for start in range(0, n, step):
        at = np.arange(start, min(n, start + step))
        yield at, similarity.columns(at)


def stacked(similarity: Similarity) -> Int32[NDArray[np.int32], "n n"]:
    """All columns, as a matrix."""
    n = len(similarity.rank)
    found = np.empty((n, n), np.int32)
    for at, block in column_blocks(similarity):
        found[at[0] : at[-1] + 1] = block
    return found


def summed(similarity: Similarity) -> Float64[NDArray[np.float64], " n"]:
    """Sum of each column."""
    parts = [found.sum(1, dtype=np.int64) for _, found in column_blocks(similarity)]
    return np.concatenate(parts).astype(np.float64)
