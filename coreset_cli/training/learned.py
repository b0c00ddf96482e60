"""Synthetic sets as pictures that networks train on."""

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.synthetic import Synthetic
from coreset_cli.training.batches import Images
from coreset_cli.training.formation import decoded, parts

__all__ = ["learned_images"]


def learned_images(
    synthetic: Synthetic, codes: NDArray[np.int64], *, device: torch.device | None = None
) -> Images:
    """The pictures of a synthetic set under its own statistics.

    Images that hold several pictures are decoded; the pictures of an image follow one another.

    Args:
        synthetic: the set.
        codes: [m] class of each image.
        device: where to; the processor where not given.
    """
    where = device or torch.device("cpu")
    values = synthetic.pixels.astype(np.float64)
    mean, std = np.array(synthetic.mean), np.array(synthetic.std)
    if synthetic.space == "normalised":
        values = values * std[:, None, None] + mean[:, None, None]
    pictures = 255 * decoded(torch.from_numpy(values), synthetic.factor)
    return Images(
        pictures.float().to(where),
        torch.from_numpy(np.repeat(codes, parts(synthetic.factor))).to(where),
        None,
        torch.from_numpy(mean).float().to(where),
        torch.from_numpy(std).float().to(where),
    )
