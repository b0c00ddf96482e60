"""Kernel thinning: halve the rows until few are left that keep the distribution of all.

Source: Dwivedi & Mackey, "Kernel thinning", COLT 2021 (kt-split and kt-swap); "Generalized kernel
thinning", ICLR 2022 (halving with the kernel itself).
Cost: O(n² d + k n d) time, O(n) memory beside the rows; halving meets at most `rows` of them.
Robustness: keeps the distribution, the corrupted part of it included.
Deviates: any number of picks: of the rows in random order, k·2^m are halved m times; every n/k-th
of all is the part they must beat. Refinement never takes a row twice. The order of the picks says
nothing; it is that of the ids.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.mean_map import STATE_BYTES, kernel_sums
from coreset_cli.kernels.radial import Shape, median_kernel
from coreset_cli.kernels.thinning import best_of, halved, refined
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["KernelThinning"]

UNORDERED = "kernel-thinning: the picks are in the order of their ids, none is better than another"


@dataclass(frozen=True, kw_only=True)
class KernelThinning:
    """Keep the mean similarity to the picks on the mean similarity to the data, by halving.

    Args:
        kernel: similarity of two rows, `gaussian` e^-(distance / width)², or `laplace`
            e^-(distance / width).
        width: where similarity is 1/e, as a multiple of the median distance of two rows; above
            2,000 rows, of so many drawn from the seed.
        rows: that are halved at most, drawn from the seed; all are compared with and refined from.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = False

    kernel: Shape = "gaussian"
    width: float = 1.0
    rows: int = 16_384

    def __post_init__(self) -> None:
        if not 0 < self.width < float("inf"):
            raise InvalidParameter(f"kernel-thinning: width is {self.width}; it must be above 0")
        if self.rows < 1:
            raise InvalidParameter(f"kernel-thinning: rows is {self.rows}; it must be at least 1")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order of their ids; the fact is the distance of similarity 1/e."""
        points = fixed(data.embeddings)
        kernel = median_kernel(self.kernel, points, self.width, rng)
        sums = kernel_sums(points, kernel)
        levels = self._levels(data.n, k)
        order = rng.shuffled("kernel-thinning", data.key)

        def draw(level: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
            words = rng.draws(f"kernel-thinning {level}", data.key.take(rows))
            return (words >> np.uint64(11)) / 2.0**53

        every = order[np.arange(k) * data.n // k]
        parts = [every, *halved(points, kernel, order[: k << levels], levels, draw)]
        start = parts[best_of(points, kernel, parts, sums)]
        rows = np.array(refined(points, kernel, start, sums, data.progress), np.int64)
        return Picks(
            rows=rows[np.argsort(data.key.rank[rows])],
            notes=(UNORDERED,),
            facts={"width": kernel.reach / 2.0**points.grid.step},
        )

    def cost(self, n: int, k: int) -> Cost:
        """All pairs for the means, twice those of the rows that are halved, and the refinement."""
        halving = 2 * min(n, self.rows) ** 2 / n if self._levels(n, k) else 0.0
        passes = n / 2 + min(halving, n / 2) + 2 * k
        return Cost(reads=1.0, passes=passes, grids=1.0, state=STATE_BYTES)

    def _levels(self, n: int, k: int) -> int:
        """How often so many rows can be halved to k."""
        return (max(k, min(n, self.rows)) // k).bit_length() - 1
