"""Rows rounded once to a grid of whole numbers, on which every pick is exact.

A row x is held as 2^lift · q = (x − origin) · 2^step, with q int16 rounded half to even. The origin
is the coordinate-wise median of 4,096 rows chosen by id hash, and 2^-step is about 2^-14 of the
usual distance to it, so neither their mean nor gross outliers cost the rows resolution: a row that
is farther out has a lift, and is rounded by its own size.

Why nothing depends on threads, blocks, storage, order of rows, places or device:

- A row is rounded by itself, value by value: one difference and one product with a power of two in
  double precision, both rounded as IEEE 754 says. Its squared norm and its lift come from sums of
  whole numbers.
- The squared norm of q is at most 2³⁰, so by Cauchy and Schwarz an inner product of two rows, and
  every partial sum of it, is below 2³¹: 32-bit sums are exact in any order. An inner product with
  a vector of whole numbers of norm at most 2³⁷ is below 2⁵³: sums in double precision are exact in
  any order.
- What is then done to a row's own number (its score, its distance to the nearest pick) is done in
  the order of picks, one operation at a time: the products are exact, so a fused operation gives
  the same. For rows without lift these numbers are multiples of 2⁻¹² below 2⁴⁰ and nothing is
  rounded at all.
- Sums over rows are of 64-bit whole numbers (`loops.Forces`): weights of at most 2²⁸ times values
  below 2¹⁵, 512 rows at a time, are below 2⁵³. Two limbs of 24 bits and more, and the sums of
  weights, take 2³⁰ rows and more; unit vectors of 34 bits, of rows that nearly are the point, take
  2²⁹ of those.
- Ties go to the smaller id.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64, Int16, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.io.matrix import Matrix, Shard, temporary_file
from coreset_cli.kernels.comm import Candidate, Comm
from coreset_cli.kernels.coordinate import coordinate_median
from coreset_cli.kernels.cuda.stream import fits
from coreset_cli.kernels.loops import POWERS, Rounded, root
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.sample import sampled
from coreset_cli.seeds import Key

__all__ = ["USUAL_BITS", "Fixed", "Grid", "dot", "fixed", "norm"]

START_ROWS = 4096
"""Rows, chosen by id hash, that say where the grid lies and how fine it is."""

SUM_VALUES = 1 << 19
"""Values that are summed at a time."""

USUAL_BITS = 14
"""The usual distance to the origin is below 2¹⁴ and at least 2¹³."""

NARROW = 1 / 8
"""Usual distance of unit rows to the origin, relative to its length, where they form a cone."""

FINEST = 2.0**-36
"""Usual distance to the origin, relative to its own length: below it lies only rounding."""

PRODUCT_BITS = 37
"""Norm of a vector of whole numbers whose product with a row is exact."""

NO_RANK = np.iinfo(np.int64).max
"""Rank of no row."""

STATE_BITS = 12
"""Fraction bits of a score."""


@dataclass(frozen=True)
class Grid:
    """Where the whole numbers lie.

    Args:
        origin: [d] what is 0.
        step: a value of 1 is 2^step on the grid.
        usual: median distance of the rows to the origin.
    """

    origin: Float64[Tensor, " d"]
    step: int
    usual: float

    def inside(self, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " d"]:
        """A point, in grid units."""
        return (vector - self.origin) * 2.0**self.step

    def outside(self, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " d"]:
        """A point in grid units, as it was."""
        return vector / 2.0**self.step + self.origin


@dataclass(frozen=True)
class Fixed:
    """Points on a grid.

    Args:
        points: as they were.
        n: rows of all places.
        rows: those that are here.
        grid: where the whole numbers lie.
        zeros: rows, here, that are seen at length 1 but are zero.
    """

    points: Points
    n: int
    rows: Rounded
    grid: Grid
    zeros: Int64[Tensor, " z"]

    def __len__(self) -> int:
        """How many rows are here."""
        return len(self.rows)

    @property
    def in_a_cone(self) -> bool:
        """Whether rows at length 1 point the same way, nearly."""
        return self.points.scaled and self.grid.usual < NARROW * norm(self.grid.origin)

    @property
    def comm(self) -> Comm:
        """The other places."""
        return self.points.comm

    @property
    def device(self) -> torch.device:
        """Where the rows are computed with."""
        return self.rows.lifts.device

    @property
    def powers(self) -> Float64[Tensor, " m"]:
        """2^lift of each row."""
        return POWERS.to(self.device)[self.rows.lifts.long()]

    def take(self, index: NDArray[np.int64]) -> "Fixed":
        """Some of the rows that are here, on the same grid."""
        points = self.points.subset(index)
        chosen = torch.from_numpy(index).to(self.device)
        zeros = torch.isin(chosen, self.zeros).nonzero().squeeze(1)
        rows = self.rows.take(chosen)
        return replace(self, points=points, n=points.total_n, rows=rows, zeros=zeros)

    def around(self, origin: Float64[Tensor, " d"]) -> "Fixed":
        """The same points on a grid about another origin."""
        return _on_grid(self.points, _grid(self.points, _sample(self.points), origin))

    def products(self, vector: Float64[Tensor, " d"]) -> Float64[Tensor, " m"]:
        """Inner products with a vector in grid units, in whole numbers of 37 bits."""
        size = norm(vector)
        if size == 0:
            return torch.zeros(len(self), dtype=torch.float64, device=self.device)
        bits = PRODUCT_BITS - int(np.frexp(size)[1])
        whole = torch.round(vector * 2.0**bits)
        return self.points.loops.products(self.rows, whole) / 2.0**bits

    def scores(self, vector: Float64[Tensor, " d"], factor: int) -> Float64[Tensor, " m"]:
        """Inner products times a factor, as multiples of 2⁻¹²."""
        return torch.round(self.products(vector) * factor * 2**STATE_BITS) / 2**STATE_BITS

    def mean(self) -> Float64[Tensor, " d"]:
        """Mean of all rows, in grid units."""

        def summed(rows: Rounded) -> Int64[Tensor, " d"]:
            return rows.values.double().sum(0).long()

        return self._total(summed, self.rows.values.shape[1]) / self.n

    def total_norm(self) -> float:
        """Sum of the norms of all rows, in grid units."""

        def summed(rows: Rounded) -> Int64[Tensor, " 1"]:
            return torch.round(root(rows.squares.double()) * 2**STATE_BITS).sum(0, True).long()

        return float(self._total(summed, 1)) / 2**STATE_BITS

    def _total(
        self, summed: Callable[[Rounded], Int64[Tensor, " s"]], size: int
    ) -> Float64[Tensor, " s"]:
        """Sum of whole numbers of all rows times their 2^lift: exact for every lift."""
        lifts = np.unique(self.rows.lifts.cpu().numpy())
        lifts = np.unique(np.frombuffer(b"".join(self.comm.gather(lifts.tobytes())), np.int16))
        sums = torch.zeros(len(lifts), size, dtype=torch.int64)
        step = max(1, SUM_VALUES // self.rows.values.shape[1])
        for start in range(0, len(self), step):
            block = self.rows.take(slice(start, start + step))
            for index, lift in enumerate(lifts.tolist()):
                chosen = block.lifts == lift
                if chosen.all():
                    sums[index] += summed(block).cpu()
                elif chosen.any():
                    sums[index] += summed(block.take(chosen)).cpu()
        total = torch.zeros(size, dtype=torch.float64)
        for lift, row in zip(lifts.tolist(), self.comm.sum(sums.numpy()), strict=True):
            total += POWERS[lift] * torch.from_numpy(row).double()
        return total.to(self.device)

    def row(self, candidate: Candidate) -> Float64[Tensor, " d"]:
        """A row in grid units."""
        values = torch.from_numpy(candidate.values).to(self.device).double()
        return values * float(POWERS[candidate.lift])

    def stored_row(self, candidate: Candidate) -> Float64[Tensor, " d"]:
        """A row as it was before it was rounded."""
        here = np.flatnonzero(self.points.places == candidate.place)
        mine = self.points.rows(torch.from_numpy(here)).cpu().numpy()
        whole = np.frombuffer(b"".join(self.comm.gather(mine.tobytes())))
        return torch.from_numpy(whole.copy()).to(self.device)

    def best(self, row: int, score: float) -> Candidate:
        """The best of all places' best rows.

        Args:
            row: the best that is here; -1 where there are no rows.
            score: its score.
        """
        if row < 0:
            none = np.zeros(self.rows.values.shape[1], np.int16)
            return self.comm.best(Candidate(-math.inf, NO_RANK, -1, none, 0, 0))
        mine = Candidate(
            score=score,
            rank=int(self.rows.rank[row]),
            place=int(self.points.places[row]),
            values=self.rows.values[row].cpu().numpy(),
            lift=int(self.rows.lifts[row]),
            square=int(self.rows.squares[row]),
        )
        return self.comm.best(mine)


def fixed(points: Points) -> Fixed:
    """Round points to a grid that fits them; in memory where there is room, else in a file."""
    sample = _sample(points)
    return _on_grid(points, _grid(points, sample, coordinate_median(sample)))


def norm(vector: Float64[Tensor, " d"]) -> float:
    """Length of a vector, from a correctly rounded sum: the same on every machine."""
    return math.sqrt(dot(vector, vector))


def dot(first: Float64[Tensor, " d"], second: Float64[Tensor, " d"]) -> float:
    """Inner product, correctly rounded up to its terms: the same on every machine."""
    return math.fsum((first * second).tolist())


def _sample(points: Points) -> Points:
    """The rows of all places whose ids have the smallest hashes, at every place."""
    mine = points.subset(sampled(points.key, START_ROWS))
    if points.comm.size == 1:
        return mine
    stored = np.empty((mine.n, points.d), np.float32)
    for start, block in mine.stored():
        stored[start : start + len(block)] = block.cpu()
    gather = points.comm.gather
    rank = np.frombuffer(b"".join(gather(mine.key.rank.tobytes())), np.int64)
    hashes = np.frombuffer(b"".join(gather(mine.key.hash.tobytes())), np.uint64)
    rows = np.frombuffer(b"".join(gather(stored.tobytes())), np.float32)
    whole = Points(
        Matrix([Shard("sample", rows.reshape(-1, points.d))]),
        Key(rank, hashes),
        points.device,
        scaled=points.scaled,
    )
    return whole.subset(sampled(whole.key, START_ROWS))


def _grid(points: Points, sample: Points, origin: Float64[Tensor, " d"]) -> Grid:
    away = sample.each(lambda block: points.loops.norms(block - origin))
    some = np.sort(away[away > 0].cpu().numpy())
    usual = float(some[len(some) // 2]) if len(some) else _farthest(points, origin)
    usual = max(usual, FINEST * norm(origin))
    return Grid(origin, USUAL_BITS - int(np.frexp(usual)[1]), usual)


def _farthest(points: Points, origin: Float64[Tensor, " d"]) -> float:
    """Largest difference of any value to the origin; 1 where all rows are at the origin."""
    here = max((float((block - origin).abs().max()) for _, block in points.blocks()), default=0.0)
    every = np.frombuffer(b"".join(points.comm.gather(np.float64(here).tobytes())))
    return float(every.max()) or 1.0


def _on_grid(points: Points, grid: Grid) -> Fixed:
    values = _room(points)
    rows = Rounded(
        values,
        torch.empty(points.n, dtype=torch.int16, device=points.device),
        torch.empty(points.n, dtype=torch.int32, device=points.device),
        points.rank,
    )
    zeros: list[Int64[Tensor, " b"]] = []
    for start, block in points.stored():
        which = slice(start, start + len(block))
        divisors = points.lengths(block)
        if points.scaled:
            zeros.append(start + (~block.any(1)).nonzero().squeeze(1))
        part = Rounded(values[which], rows.lifts[which], rows.squares[which], rows.rank[which])
        points.loops.round_rows(block, divisors, grid.origin, grid.step, part)
    none = torch.empty(0, dtype=torch.int64, device=points.device)
    return Fixed(points, points.total_n, rows, grid, torch.cat([none, *zeros]))


def _room(points: Points) -> Int16[Tensor, "n d"]:
    """Where the rows go: the device's memory, the host's, or the pages of a temporary file."""
    shape = (points.n, points.d)
    needed = 2 * points.n * points.d
    device = points.device if fits(needed, points.device) else torch.device("cpu")
    if device.type != "cpu" or needed <= points.room:
        return torch.empty(shape, dtype=torch.int16, device=device)
    with temporary_file() as file:
        file.truncate(2 * points.n * points.d)
        return torch.from_numpy(np.memmap(file, np.int16, "r+", shape=shape))
