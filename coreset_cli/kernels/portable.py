"""The loops over rows in tensor operations: for every device, and for small inputs.

Products are taken in double precision of whole numbers below 2⁵³, so any order gives the same.
"""

import torch
from jaxtyping import Float, Float32, Float64, Int, Int16, Int32
from torch import Tensor

from coreset_cli.kernels.loops import (
    BATCH,
    CAP,
    EXCESS_BITS,
    FORCE_BITS,
    LARGEST,
    LIMB_BITS,
    LIMIT,
    POWERS,
    Forces,
    Rounded,
    leader,
    norm_bits,
    root,
    two_to,
)

__all__ = ["Portable"]

BLOCK_VALUES = 1 << 19
"""Values converted to double precision at a time."""

_MASK = (1 << LIMB_BITS) - 1
_UNIT = 2.0**FORCE_BITS


class Portable:
    """The loops by torch."""

    def round_rows(
        self,
        block: Float32[Tensor, "b d"],
        divisors: Float64[Tensor, " b"],
        origin: Float64[Tensor, " d"],
        step: int,
        out: Rounded,
    ) -> None:
        """See `Loops`."""
        exact = (block.double() / divisors[:, None] - origin) * 2.0**step
        lifts = (torch.frexp(exact.abs().amax(1))[1].long() - LARGEST.bit_length()).clamp(min=0)
        while True:
            whole = torch.round(exact / _powers(lifts)[:, None])
            squares = whole.square().clamp(max=2.0 * LIMIT).sum(1)
            over = (whole.abs().amax(1) > LARGEST) | (squares > LIMIT)
            if not over.any():
                break
            lifts += over
        out.values.copy_(whole)
        out.lifts.copy_(lifts)
        out.squares.copy_(squares)

    def norms(self, block: Float[Tensor, "b d"]) -> Float64[Tensor, " b"]:
        """See `Loops`."""
        exact = block.double()
        lift = norm_bits(block.shape[1]) - torch.frexp(exact.abs().amax(1))[1]
        whole = (exact * two_to(lift)[:, None]).round().long()
        return root(whole.square().sum(1).double()) * two_to(-lift)

    def products(self, rows: Rounded, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
        """See `Loops`."""
        return _products(rows, vector) * _powers(rows.lifts)

    def advance(
        self,
        rows: Rounded,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        point: Int16[Tensor, " d"],
        factor: float,
    ) -> int:
        """See `Loops`."""
        product = factor * _powers(rows.lifts) * _products(rows, point.double())
        state += pull - product
        return leader(state, rows.rank)

    def cover(
        self,
        rows: Rounded,
        nearest: Float64[Tensor, " n"],
        owner: Int32[Tensor, " n"],
        point: Rounded,
        spacing: Float64[Tensor, " t"],
    ) -> int:
        """See `Loops`."""
        power, mine = _powers(point.lifts), _powers(rows.lifts)
        product = 2 * mine * power * _products(rows, point.values[0].double())
        lengths = mine * mine * rows.squares + power * power * point.squares
        away = (lengths - product).clamp(min=0)
        closer = (4 * nearest > spacing[owner]) & (away < nearest)
        nearest[closer] = away[closer]
        owner[closer] = len(spacing) - 1
        return leader(nearest, rows.rank)

    def forces(self, rows: Rounded, vector: Float64[Tensor, " d"], bits: int) -> Forces:
        """See `Loops`."""
        d = len(vector)
        length = int(vector.long().square().sum())
        powers = _powers(rows.lifts)
        power = 2.0**bits * powers
        product = _products(rows, vector)
        shift = max(bits, 0)
        cross = product.long() << (shift + 1)
        ordinary = (rows.lifts == 0) & (bits >= 0)
        change = torch.where(ordinary, (length - cross).double(), length - 2 * power * product)
        away = torch.where(
            ordinary,
            ((rows.squares.long() << (2 * shift)) - cross + length).double(),
            (power * power * rows.squares + change).clamp(min=0),
        )
        distance, norm = root(away), power * root(rows.squares.double())
        excess = torch.round(2.0**EXCESS_BITS * (change / (distance + norm)))
        touching = away <= d
        weight = torch.where(touching, 0.0, torch.round(_UNIT * power / distance))
        true = torch.round(weight / powers).long()
        near = weight > CAP
        sums = torch.zeros(3, d, dtype=torch.int64, device=vector.device)
        for start in range(0, len(rows), BATCH):
            which = slice(start, start + BATCH)
            pulled = torch.where(near, 0.0, weight)[which] @ rows.values[which].double()
            sums[0] += pulled.long() >> LIMB_BITS
            sums[1] += pulled.long() & _MASK
        if near.any():
            away_from = power[near, None] * rows.values[near] - vector
            part = (away_from / distance[near, None]).clamp(-1.0, 1.0)
            sums[2] = torch.round(_UNIT * part).long().sum(0)
        counts = [
            true[~near].sum(),
            (true[near] >> LIMB_BITS).sum(),
            (true[near] & _MASK).sum(),
            touching.sum(),
            torch.where(distance + norm > 0, excess, 0.0).long().sum(),
        ]
        row = leader(-distance, rows.rank)
        return Forces(
            sums.cpu().numpy(),
            torch.stack(counts).cpu().numpy(),
            row,
            float(distance[row]) if len(rows) else torch.inf,
        )


def _products(rows: Rounded, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
    found = torch.empty(len(rows), dtype=torch.float64, device=vector.device)
    step = max(1, BLOCK_VALUES // len(vector))
    for start in range(0, len(rows), step):
        which = slice(start, start + step)
        found[which] = rows.values[which].double() @ vector
    return found


def _powers(lifts: Int[Tensor, " n"]) -> Float64[Tensor, " n"]:
    return POWERS.to(lifts.device)[lifts.long()]
