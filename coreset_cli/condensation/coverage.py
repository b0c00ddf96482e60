"""Which real rows each synthetic image stands for, and where they lie."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.condensation.cells import nearest_cells
from coreset_cli.condensation.condenser import Schedule, Task, generator_of, seen
from coreset_cli.condensation.rows import numbered
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.projection import plane_of
from coreset_cli.training.networks import Network

__all__ = ["MOST_ROWS", "Covered", "covered", "covered_class"]

MOST_ROWS = 1_000
"""Real rows of a class, drawn where there are more."""

TOGETHER = 256
"""Rows of a forward pass."""


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


def covered_class(
    task: Task, schedule: Schedule, pixels: Float[Tensor, "m c h w"], network: Network, code: int
) -> Covered:
    """What the decoded pictures of a class stand for, of its real rows or a thousand of them.

    Args:
        task: what was condensed.
        schedule: of the method.
        pixels: of all classes, as stored.
        network: whose features say what is near.
        code: the class.
    """
    rows = task.pool.drawn(code, MOST_ROWS, generator_of(task.seed, f"coverage {code}"))
    network.eval()
    with torch.no_grad():
        real = [network.features(task.pool.pictures(some)) for some in rows.split(TOGETHER)]
        stored = pixels[code * task.ipc : (code + 1) * task.ipc]
        return covered(torch.cat(real), network.features(seen(task, schedule, stored)))
