"""Cosine similarities of rows on the grid."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS
from coreset_cli.kernels.points import SMALL
from coreset_cli.kernels.portable import Portable
from coreset_cli.kernels.similarity import BLOCK_VALUES, TOP_BITS, stacked

__all__ = ["Cosine"]

TILE_BYTES = 1 << 17
"""Bytes of rows that are multiplied with as many others while they are in the cache."""

TILE_ROWS = 64
"""Rows of these at most."""


@dataclass(frozen=True)
class Cosine:
    """(1 + cos)/2 of rows at length 1, from their squared distances on the grid.

    For rows of length 1 it is 1 − D²/4. Distances keep what differs between rows of a narrow cone,
    where inner products lose it. A zero row is at cosine 0 to everything, itself included.

    Args:
        rows: rows seen at length 1, on a grid; all of them are here.
        top: squared distance in grid units that 0 stands for; no two rows are farther apart.
    """

    rows: Fixed
    top: float

    @classmethod
    def of(cls, rows: Fixed) -> "Cosine":
        """With what is left of 30 bits for the distances that there are."""
        reach = float((rows.powers**2 * rows.rows.squares).max())
        most = cls.from_zero(rows)
        apart = most.top / 2 if len(rows.zeros) else 0.0
        return cls(rows, min(max(4 * reach, apart), most.top))

    @classmethod
    def from_zero(cls, rows: Fixed) -> "Cosine":
        """With 0 for opposite rows."""
        return cls(rows, 4 * 4.0**rows.grid.step)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def rank(self) -> Int64[Tensor, " n"]:
        """See `Similarity`."""
        return self.rows.rows.rank

    @property
    def serial(self) -> bool:
        """See `Similarity`."""
        return self.rows.points.serial

    @property
    def unit(self) -> float:
        """See `Similarity`."""
        return 4.0 ** -(self.rows.grid.step + 1) / self._shrink

    @property
    def base(self) -> float:
        """See `Similarity`."""
        return 1.0 - self.top * 4.0 ** -(self.rows.grid.step + 1)

    def columns(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """See `Similarity`."""
        n, d = self.rows.rows.values.shape
        if not self._compiled:
            at = torch.from_numpy(rows)
            found = self._by_tensors(at.to(self.rows.device)).cpu().numpy()
        else:
            from coreset_cli.kernels import machine_similar as machine

            found = np.empty((len(rows), n), np.int32)
            machine.COLUMNS[not self.serial](*self._arrays, rows, *self._scale, _tile(d), found)
        self._set_zeros(found, rows)
        return found

    def matrix(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        n, d = self.rows.rows.values.shape
        if not self._compiled:
            return stacked(self)
        from coreset_cli.kernels import machine_similar as machine

        found = np.empty((n, n), np.int32)
        rows = np.arange(n)
        machine.MATRIX[not self.serial](*self._arrays, rows, *self._scale, _tile(d), found)
        self._set_zeros(found, rows)
        return found

    def totals(self) -> NDArray[np.float64]:
        """See `Similarity`; from the sum of all rows, without looking at pairs."""
        rows, zeros = self.rows, self.rows.zeros
        lengths = rows.powers**2 * rows.rows.squares
        total = torch.round(rows.mean() * rows.n)  # a sum of whole numbers
        apart, m = self._apart, len(rows) - len(zeros)
        nothing = torch.zeros_like(total)
        if len(zeros):
            origin = rows.rows.values[zeros[0].to(rows.rows.values.device)].double()
            nothing = origin.to(total) * rows.powers[zeros[0]]
        cross = rows.products(total - len(zeros) * nothing)
        spread = float(lengths.sum() - lengths[zeros].sum()) + len(zeros) * apart
        away = spread + m * lengths - 2 * cross
        away[zeros] = len(rows) * apart
        return ((len(rows) * self.top - away) * self._shrink).cpu().numpy()

    def own(self) -> NDArray[np.int32]:
        """See `Similarity`."""
        found = np.full(len(self), self._whole(0.0), np.int32)
        found[self.rows.zeros.cpu().numpy()] = self._whole(self._apart)
        return found

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        """Values, powers and squared lengths of the rows."""
        powers = self.rows.powers
        lengths = powers**2 * self.rows.rows.squares
        return self.rows.rows.values.numpy(), powers.numpy(), lengths.numpy()

    @property
    def _compiled(self) -> bool:
        return not isinstance(self.rows.points.loops, Portable)

    @property
    def _shrink(self) -> float:
        """The largest power of two that leaves 30 bits."""
        return 2.0 ** (TOP_BITS - math.ceil(math.log2(self.top))) if self.top > 0 else 1.0

    @property
    def _scale(self) -> tuple[float, float]:
        return self.top, self._shrink

    @property
    def _apart(self) -> float:
        """Squared distance of rows at cosine 0."""
        return 2 * 4.0**self.rows.grid.step

    def _whole(self, away: float) -> int:
        return int(np.rint(max(0.0, self.top - away) * self._shrink))

    @cached_property
    def _doubles(self) -> tuple[Tensor, Tensor, Tensor]:
        """As `_arrays`, on the device; values as doubles where they are few."""
        rows = self.rows.rows
        powers = POWERS.to(self.rows.device)[rows.lifts.long()]
        values = rows.values.to(self.rows.device)
        return (
            values.double() if values.numel() < SMALL else values,
            powers,
            powers**2 * rows.squares,
        )

    def _by_tensors(self, at: Int64[Tensor, " b"]) -> Int32[Tensor, "b n"]:
        values, powers, lengths = self._doubles
        found = torch.empty(len(at), len(values), dtype=torch.int32, device=self.rows.device)
        mine, double = values[at].double(), 2 * powers[at, None]
        step = max(1, BLOCK_VALUES // max(len(at), values.shape[1]))
        for start in range(0, len(values), step):
            which = slice(start, start + step)
            away = mine @ values[which].double().T
            away.mul_(powers[which]).mul_(double)
            torch.sub(lengths[which] + lengths[at, None], away, out=away)
            away.clamp_(min=0).neg_().add_(self.top).clamp_(min=0).mul_(self._shrink).round_()
            found[:, which] = away
        return found

    def _set_zeros(self, found: NDArray[np.int32], rows: NDArray[np.int64]) -> None:
        """Rows without direction are at cosine 0."""
        zeros = self.rows.zeros.cpu().numpy()
        if len(zeros):
            found[:, zeros] = self._whole(self._apart)
            found[np.isin(rows, zeros)] = self._whole(self._apart)


def _tile(d: int) -> int:
    return max(8, min(TILE_ROWS, TILE_BYTES // (2 * d)))
