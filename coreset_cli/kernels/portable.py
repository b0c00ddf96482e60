"""The loops over rows in tensor operations: for every device, and for small inputs.

Products are taken in double precision of whole numbers below 2⁵³, so any order gives the same.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64, Int, Int16, Int32, Int64
from torch import Tensor
from torch.nn.functional import pad

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


def _as_they_are(
    values: Int16[Tensor, "n d"], device: torch.device
) -> Iterable[tuple[int, Int16[Tensor, "n d"]]]:
    return [(0, values.to(device))]


@dataclass(frozen=True)
class Portable:
    """The loops by torch.

    Args:
        chunks: first row and values, on a device, of each of the chunks that rows come in; all but
            the last have a multiple of `BATCH` rows.
        block_values: values converted to double precision at a time.
    """

    chunks: Callable[
        [Int16[Tensor, "n d"], torch.device], Iterable[tuple[int, Int16[Tensor, "b d"]]]
    ] = _as_they_are
    block_values: int = BLOCK_VALUES

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
        return self._products(rows, vector) * _powers(rows.lifts)

    def advance(
        self,
        rows: Rounded,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        point: Int16[Tensor, " d"],
        factor: float,
    ) -> int:
        """See `Loops`."""
        product = factor * _powers(rows.lifts) * self._products(rows, point.double())
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
        product = 2 * mine * power * self._products(rows, point.values[0].double())
        lengths = mine * mine * rows.squares + power * power * point.squares
        away = (lengths - product).clamp(min=0)
        closer = (4 * nearest > spacing[owner]) & (away < nearest)
        nearest[closer] = away[closer]
        owner[closer] = len(spacing) - 1
        return leader(nearest, rows.rank)

    def forces(self, rows: Rounded, vector: Float64[Tensor, " d"], bits: int) -> Forces:
        """See `Loops`."""
        device = vector.device
        length = int(vector.long().square().sum())
        distance = torch.empty(len(rows), dtype=torch.float64, device=device)
        sums = torch.zeros(3, len(vector), dtype=torch.int64, device=device)
        counts = torch.zeros(6, dtype=torch.int64, device=device)
        for start, values in self._blocks(rows, device):
            which = slice(start, start + len(values))
            block = Rounded(values, rows.lifts[which], rows.squares[which], rows.rank[which])
            distance[which], some, few = _pulled(block, vector, length, bits)
            sums += some
            counts += few
        row = leader(-distance, rows.rank)
        nearest = float(distance[row]) if len(rows) else torch.inf
        return Forces(sums.cpu().numpy(), counts.cpu().numpy(), row, nearest)

    def _products(self, rows: Rounded, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
        found = torch.empty(len(rows), dtype=torch.float64, device=vector.device)
        for start, values in self._blocks(rows, vector.device):
            found[start : start + len(values)] = values.double() @ vector
        return found

    def _blocks(
        self, rows: Rounded, device: torch.device
    ) -> Iterator[tuple[int, Int16[Tensor, "b d"]]]:
        """First row and values of each block of a multiple of `BATCH` rows; the last has fewer."""
        step = max(1, self.block_values // rows.values.shape[1] // BATCH) * BATCH
        for first, chunk in self.chunks(rows.values, device):
            for start in range(0, len(chunk), step):
                yield first + start, chunk[start : start + step]


def _pulled(
    rows: Rounded, vector: Float64[Tensor, " d"], length: int, bits: int
) -> tuple[Float64[Tensor, " n"], Int64[Tensor, "3 d"], Int64[Tensor, " 6"]]:
    """Distances of rows to 2^-bits · vector, and the sums and counts of their forces."""
    exact = rows.values.double()
    powers = _powers(rows.lifts)
    power = 2.0**bits * powers
    product = exact @ vector
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
    touching = away <= len(vector)
    weight = torch.where(touching, 0.0, torch.round(_UNIT * power / distance))
    true = torch.round(weight / powers).long()
    near = weight > CAP
    lacking = -len(rows) % BATCH
    batches = pad(torch.where(near, 0.0, weight), (0, lacking)).view(-1, 1, BATCH)
    whole = (batches @ pad(exact, (0, 0, 0, lacking)).view(-1, BATCH, len(vector))).long()
    sums = torch.stack([whole >> LIMB_BITS, whole & _MASK, torch.zeros_like(whole)])
    sums = sums.sum((1, 2))
    if near.any():
        away_from = power[near, None] * rows.values[near] - vector
        part = (away_from / distance[near, None]).clamp(-1.0, 1.0)
        sums[2] = torch.round(_UNIT * part).long().sum(0)
    further = torch.where(distance + norm > 0, excess, 0.0).long()
    counts = [
        true[~near].sum(),
        (true[near] >> LIMB_BITS).sum(),
        (true[near] & _MASK).sum(),
        touching.sum(),
        (further >> LIMB_BITS).sum(),
        (further & _MASK).sum(),
    ]
    return distance, sums, torch.stack(counts)


def _powers(lifts: Int[Tensor, " n"]) -> Float64[Tensor, " n"]:
    return POWERS.to(lifts.device)[lifts.long()]
