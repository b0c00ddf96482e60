"""The loops over rows, compiled for the processor."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int16, Int32
from torch import Tensor

from coreset_cli.kernels import machine
from coreset_cli.kernels.loops import (
    BATCH,
    POWERS,
    Forces,
    Rounded,
    norm_bits,
)

__all__ = ["Compiled"]

CHUNK_BYTES = 1 << 19
"""Bytes of rows that a thread takes at a time."""


@dataclass(frozen=True)
class Compiled:
    """The loops by numba.

    Args:
        parallel: use all threads for one loop; else only the caller's.
    """

    parallel: bool

    def round_rows(
        self,
        block: Float32[Tensor, "b d"],
        divisors: Float64[Tensor, " b"],
        origin: Float64[Tensor, " d"],
        step: int,
        out: Rounded,
    ) -> None:
        """See `Loops`."""
        machine.ROUND_ROWS[self.parallel](
            block.numpy(), divisors.numpy(), origin.numpy(), math.ldexp(1.0, step),
            out.values.numpy(), out.lifts.numpy(), out.squares.numpy(), self._chunk(out),
        )  # fmt: skip

    def norms(self, block: Float[Tensor, "b d"]) -> Float64[Tensor, " b"]:
        """See `Loops`."""
        found = np.empty(len(block))
        machine.norms(block.numpy(), norm_bits(block.shape[1]), found)
        return torch.from_numpy(found)

    def products(self, rows: Rounded, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
        """See `Loops`."""
        found = np.empty(len(rows))
        machine.PRODUCTS[self.parallel](
            rows.values.numpy(), rows.lifts.numpy(), vector.numpy(), self._chunk(rows), found
        )
        return torch.from_numpy(found)

    def advance(
        self,
        rows: Rounded,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        point: Int16[Tensor, " d"],
        factor: float,
    ) -> int:
        """See `Loops`."""
        return machine.ADVANCE[self.parallel](
            rows.values.numpy(), rows.lifts.numpy(), rows.rank.numpy(), state.numpy(),
            pull.numpy(), point.numpy(), factor, self._chunk(rows),
        )  # fmt: skip

    def cover(
        self,
        rows: Rounded,
        nearest: Float64[Tensor, " n"],
        owner: Int32[Tensor, " n"],
        point: Rounded,
        spacing: Float64[Tensor, " t"],
    ) -> int:
        """See `Loops`."""
        power = float(POWERS[int(point.lifts)])
        return machine.COVER[self.parallel](
            rows.values.numpy(), rows.lifts.numpy(), rows.squares.numpy(), rows.rank.numpy(),
            nearest.numpy(), owner.numpy(), point.values[0].numpy(), power, float(point.squares),
            spacing.numpy(), self._chunk(rows),
        )  # fmt: skip

    def forces(self, rows: Rounded, vector: Float64[Tensor, " d"], bits: int) -> Forces:
        """See `Loops`."""
        d = rows.values.shape[1]
        chunk = -(-self._chunk(rows) // BATCH) * BATCH
        parts = -(-len(rows) // chunk)
        sums, counts = np.zeros((parts, 3, d), np.int64), np.zeros((parts, 6), np.int64)
        whole = vector.numpy()
        length = int(np.square(whole.astype(np.int64)).sum())
        row, distance = machine.FORCES[self.parallel](
            rows.values.numpy(), rows.lifts.numpy(), rows.squares.numpy(), rows.rank.numpy(),
            whole, length, bits, chunk, sums, counts,
        )  # fmt: skip
        return Forces(sums.sum(0), counts.sum(0), row, distance)

    def _chunk(self, rows: Rounded) -> int:
        if not self.parallel:
            return max(1, len(rows))
        return max(1, CHUNK_BYTES // (2 * rows.values.shape[1]))
