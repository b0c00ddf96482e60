"""The images of a synthetic set side by side, a row a class."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from coreset_cli.artifacts.synthetic import Synthetic, visible
from coreset_cli.io.atomic import whole_file
from coreset_cli.io.image import encode_png

__all__ = ["draw", "grid"]

SIDE = 48
"""Pixels that a small image is enlarged to, about."""

GAP = 2
"""Pixels between two images."""

PAPER = 255


def draw(synthetic: Synthetic, path: Path) -> None:
    """Write the grid as PNG, whole or not at all."""
    with whole_file(path) as part:
        part.write_bytes(encode_png(grid(synthetic)))


def grid(synthetic: Synthetic) -> UInt8[NDArray[np.uint8], "y x c"]:
    """Images as they look, those of a class from left to right, classes from top to bottom."""
    images = visible(synthetic)
    h, w, c = images.shape[1:]
    times = max(1, SIDE // max(h, w))
    large = images.repeat(times, 1).repeat(times, 2)
    tall, wide = times * h + GAP, times * w + GAP
    counts = synthetic.labels.counts()
    sheet = np.full((len(counts) * tall + GAP, counts.max() * wide + GAP, c), PAPER, np.uint8)
    for row in range(len(counts)):
        for column, image in enumerate(large[synthetic.codes == row]):
            top, left = GAP + row * tall, GAP + column * wide
            sheet[top : top + tall - GAP, left : left + wide - GAP] = image
    return sheet
