"""Real pictures by class, from which batches are drawn."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.training.batches import Images

__all__ = ["Pool", "pool_of"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Real pictures of some classes.

    Args:
        images: all pictures, with the statistics that normalise them.
        members: rows of each class that may be drawn, in the order of their ids, on the processor.
    """

    images: Images
    members: tuple[Int64[Tensor, " _"], ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        c, h, w = self.images.pixels.shape[1:]
        return c, h, w

    def drawn(self, code: int, count: int, generator: torch.Generator) -> Int64[Tensor, " m"]:
        """Different rows of a class in random order, all of them where there are fewer.

        Args:
            code: the class.
            count: how many.
            generator: of the draw, on the processor.
        """
        rows = self.members[code]
        return rows[torch.randperm(len(rows), generator=generator)[:count]]

    def pictures(self, rows: Int64[Tensor, " m"]) -> Float32[Tensor, "m c h w"]:
        """Some rows as a network takes them."""
        return self.images.normalised(rows.to(self.images.device))


def pool_of(images: Images, rank: NDArray[np.int64], rows: NDArray[np.int64], classes: int) -> Pool:
    """Rows by class.

    Args:
        images: all pictures.
        rank: [n] place of each row's id among all ids, so that the order of a file decides nothing.
        rows: which of them may be drawn.
        classes: how many there are.
    """
    ordered = torch.from_numpy(rows[np.argsort(rank[rows], kind="stable")])
    targets = images.targets.cpu()[ordered]
    return Pool(images, tuple(ordered[targets == code] for code in range(classes)))
