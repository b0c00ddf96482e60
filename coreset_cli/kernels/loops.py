"""The loops over all rows that kernels are made of, and what they promise.

There are two of each: `compiled` for the processor, and `portable` in tensor operations for every
device and for small inputs. Both give the same bits, so which one ran never shows.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int16, Int32, Int64
from torch import Tensor

__all__ = [
    "BATCH",
    "CAP",
    "EXCESS_BITS",
    "FORCE_BITS",
    "LARGEST",
    "LIMB_BITS",
    "LIMIT",
    "POWERS",
    "Forces",
    "Loops",
    "Rounded",
    "leader",
    "norm_bits",
    "root",
    "two_to",
    "value",
]

LARGEST = 32767
"""Largest value of a row on the grid."""

LIMIT = 1 << 30
"""Largest squared norm of a row on the grid: an inner product of two rows fits 32 bits."""

POWERS = torch.from_numpy(np.ldexp(1.0, np.arange(320)))
"""2⁰ … 2³¹⁹: more than the range of single precision asks for."""

FORCE_BITS = 34
"""A unit force is 2³⁴: a row at the usual distance, about 2¹⁴, weighs about 2²⁰."""

CAP = 1 << 28
"""Largest weight of a row; nearer rows are summed as unit vectors."""

BATCH = 512
"""Rows whose weighted sum is exact in double precision: 2²⁸ · 2¹⁵ · 2⁹ < 2⁵³."""

LIMB_BITS = 24
"""Large sums are kept in two limbs, the lower one of so many bits."""

EXCESS_BITS = 10
"""Fraction bits of a difference of distances, beyond those of the point it is measured from."""


@dataclass(frozen=True)
class Rounded:
    """Rows on the grid: row i is 2^lifts[i] · values[i], and squares[i] is ‖values[i]‖².

    Args:
        values: [n, d] of squared norm at most `LIMIT`, and each at most `LARGEST`; in memory of the
            host where the device that holds all else has no room.
        lifts: [n] powers of two; 0 but for rows far out.
        squares: [n] squared norms of the values.
        rank: [n] rank of each row's id, for ties.
    """

    values: Int16[Tensor, "n d"]
    lifts: Int16[Tensor, " n"]
    squares: Int32[Tensor, " n"]
    rank: Int64[Tensor, " n"]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)

    @classmethod
    def empty(cls, n: int, d: int, device: torch.device) -> "Rounded":
        """Room for n rows."""
        return cls(
            torch.empty(n, d, dtype=torch.int16, device=device),
            torch.empty(n, dtype=torch.int16, device=device),
            torch.empty(n, dtype=torch.int32, device=device),
            torch.empty(n, dtype=torch.int64, device=device),
        )

    def take(self, index: Tensor | slice) -> "Rounded":
        """Some rows."""
        there = index if isinstance(index, slice) else index.to(self.values.device)
        return Rounded(self.values[there], self.lifts[index], self.squares[index], self.rank[index])

    def numbers(self, ranks: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
        """Which rows have these ranks."""
        by_rank = self.rank.argsort()
        return by_rank[torch.searchsorted(self.rank[by_rank], ranks)]


@dataclass(frozen=True)
class Forces:
    """What pulls at a point m, summed over rows; integers, so exact in any order.

    Args:
        sums: [3, d] upper and lower limb of Σ w·values over rows of weight w ≤ `CAP`, and
            2³⁴ · Σ (y − m)/‖y − m‖ over nearer rows.
        counts: [6] Σ w; upper and lower limb of Σ w over nearer rows; how many rows touch; upper
            and lower limb of Σ (‖y − m‖ − ‖y‖), with `EXCESS_BITS` more bits than m has.
        row: the nearest row, of equally near ones the smallest id; -1 where there are no rows.
        distance: how far it is, in units of the last bit of m.
    """

    sums: Int64[np.ndarray, "3 d"]
    counts: Int64[np.ndarray, " 6"]
    row: int
    distance: float


@runtime_checkable
class Loops(Protocol):
    """The loops, over rows that are in the memory of one device."""

    def round_rows(
        self,
        block: Float32[Tensor, "b d"],
        divisors: Float64[Tensor, " b"],
        origin: Float64[Tensor, " d"],
        step: int,
        out: Rounded,
    ) -> None:
        """Write (block / divisors − origin) · 2^step, rounded half to even, to `out`.

        The lift of a row is the least that keeps its values and their squared norm in bounds.
        """
        ...

    def norms(self, block: Float[Tensor, "b d"]) -> Float64[Tensor, " b"]:
        """Norm of each row, from a sum that is exact in any order."""
        ...

    def products(self, rows: Rounded, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
        """Inner product of each row with a vector of whole numbers of norm at most 2³⁷: exact."""
        ...

    def advance(
        self,
        rows: Rounded,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        point: Int16[Tensor, " d"],
        factor: float,
    ) -> int:
        """Add pull − factor · ⟨row, point⟩ to the state in place; say where it is largest.

        Of equal states the smallest id leads. `factor` is a power of two.
        """
        ...

    def cover(
        self,
        rows: Rounded,
        nearest: Float64[Tensor, " n"],
        owner: Int32[Tensor, " n"],
        point: Rounded,
        spacing: Float64[Tensor, " t"],
    ) -> int:
        """Lower the squared distances to the nearest pick in place; say which is largest.

        A row is skipped where its owner, the pick nearest to it, is at least twice as far from
        the new pick as from the row.

        Args:
            rows: all of them.
            nearest: [n] squared distance of each row to its owner; -∞ for picks.
            owner: [n] which pick it is.
            point: the new pick, one row.
            spacing: [t] squared distances of the new pick to all picks, itself the last.
        """
        ...

    def forces(self, rows: Rounded, vector: Float64[Tensor, " d"], bits: int) -> Forces:
        """What pulls at m = 2^-bits · vector, a vector of whole numbers of norm at most 2²⁹."""
        ...


def leader(score: Float[Tensor, " n"], rank: Int64[Tensor, " n"]) -> int:
    """Row of the largest score, of equal ones the smallest id; -1 where there are no rows."""
    if not len(score):
        return -1
    ties = (score == score.max()).nonzero().squeeze(1)
    return int(ties[rank[ties].argmin()])


def value(score: Float[Tensor, " n"], row: int) -> float:
    """Score of a row; -∞ where there are no rows."""
    return float(score[row]) if row >= 0 else -math.inf


def norm_bits(d: int) -> int:
    """Bits of a value of which d squares can be summed in 62 bits."""
    return (62 - d.bit_length()) // 2


def root(values: Float64[Tensor, " n"]) -> Float64[Tensor, " n"]:
    """Square roots, correctly rounded, as those of tensors on a processor are not always."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sqrt(values.numpy()))
    return values.sqrt()


def two_to(power: Tensor) -> Float64[Tensor, " n"]:
    """2^power, exactly, for powers above -1023: a double of this exponent and no fraction."""
    return ((power.long() + 1023) << 52).view(torch.float64)
