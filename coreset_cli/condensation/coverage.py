"""Which real rows each synthetic image stands for, and where they lie."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.condensation.cells import nearest_cells
from coreset_cli.condensation.rows import numbered
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.projection import plane_of

__all__ = ["Covered", "covered"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Covered:
    """The real rows and the synthetic images of a class, in the plane in which they vary most.

    Args:
        rows: [m, 2] places of the real rows.
        images: [s, 2] places of the synthetic images.
        cells: [m] the image nearest to each real row, among all features and not in the plane.
    """

    rows: NDArray[np.float64]
    images: NDArray[np.float64]
    cells: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """[s] real rows of each cell."""
        return np.bincount(self.cells, minlength=len(self.images))


def covered(rows: Float[Tensor, "m e"], images: Float[Tensor, "s e"]) -> Covered:
    """Cells of the real rows of a class, and the principal plane of rows and images together.

    Args:
        rows: features of the real rows.
        images: features of the synthetic images, of the same network.
    """
    plane = plane_of(fixed(numbered(torch.cat([rows, images]))), centred=True)
    return Covered(
        rows=plane[: len(rows)],
        images=plane[len(rows) :],
        cells=nearest_cells(rows, images).cpu().numpy(),
    )
