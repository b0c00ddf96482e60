"""Kernel herding: pick rows whose kernel mean follows the kernel mean of all rows.

Source: Chen, Welling & Smola, "Super-samples from kernel herding", UAI 2010, eq. 8.
Cost: O(n² d + k n d) time, O(n) memory beside the rows; all pairs once, then one pass a pick.
Robustness: follows the density, so a corrupted part keeps about its share; lone outliers come late.
Deviates: rows are picked without replacement; the kernel's width is the median distance of rows.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.mean_map import STATE_BYTES, herd
from coreset_cli.kernels.radial import Shape, median_kernel
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["KernelHerding"]


@dataclass(frozen=True, kw_only=True)
class KernelHerding:
    """Keep the mean similarity to the picks on the mean similarity to the data.

    Args:
        kernel: similarity of two rows, `gaussian` e^-(distance / width)², or `laplace`
            e^-(distance / width).
        width: where similarity is 1/e, as a multiple of the median distance of two rows; above
            2,000 rows, of so many drawn from the seed.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    kernel: Shape = "gaussian"
    width: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.width < float("inf"):
            raise InvalidParameter(f"kernel-herding: width is {self.width}; it must be above 0")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the fact is the distance at which similarity is 1/e."""
        points = fixed(data.embeddings)
        kernel = median_kernel(self.kernel, points, self.width, rng)
        rows = herd(points, kernel, k, data.progress, data.memo)
        facts = {"width": kernel.reach / 2.0**points.grid.step}
        return Picks(rows=np.asarray(rows, np.int64), facts=facts)

    def cost(self, n: int, k: int) -> Cost:
        """A row meets all others once, which is as half a pass; then a pass a pick."""
        return Cost(reads=1.0, passes=n / 2 + k, grids=1.0, state=STATE_BYTES)
