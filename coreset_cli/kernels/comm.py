"""One answer from rows that live in several places.

Every place runs the same program on its own rows. What crosses between places is integers, which
sum to the same whatever the order, and candidates, of which one is the best whatever the order: so
the result cannot depend on how rows are divided.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int16, Int64

__all__ = ["Alone", "Candidate", "Comm", "leading"]


@dataclass(frozen=True)
class Candidate:
    """The row that one place would pick.

    Args:
        score: larger is better; -inf where a place has no row left.
        rank: rank of its id; of equal scores, the smaller id is better.
        place: its row number among the rows of all places.
        values: [d] the row on the grid.
        lift: power of two by which the values are too small.
        square: squared norm of the values.
    """

    score: float
    rank: int
    place: int
    values: Int16[np.ndarray, " d"]
    lift: int
    square: int


def leading(candidates: list[Candidate]) -> Candidate:
    """The largest score; of equal ones the smallest id."""
    return min(candidates, key=lambda one: (-one.score, one.rank))


@runtime_checkable
class Comm(Protocol):
    """What a kernel may ask of the places that hold the other rows."""

    @property
    def rank(self) -> int:
        """Which place this is, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many places there are."""
        ...

    def sum(self, part: Int64[np.ndarray, "*s"]) -> Int64[np.ndarray, "*s"]:
        """Sum of every place's array; integers only, so exact in any order."""
        ...

    def best(self, mine: Candidate) -> Candidate:
        """The `leading` one of every place's candidate."""
        ...

    def gather(self, small: bytes) -> list[bytes]:
        """Every place's bytes, by rank, at every place."""
        ...


@dataclass(frozen=True)
class Alone:
    """All rows are here."""

    rank: int = 0
    size: int = 1

    def sum(self, part: Int64[np.ndarray, "*s"]) -> Int64[np.ndarray, "*s"]:
        """What was given."""
        return part

    def best(self, mine: Candidate) -> Candidate:
        """What was given."""
        return mine

    def gather(self, small: bytes) -> list[bytes]:
        """What was given."""
        return [small]
