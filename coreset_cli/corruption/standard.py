"""The profile `standard`: five kinds of damage to images of any size, grey or in colour.

Values are damaged as fractions of 255, clipped to [0, 1] and rounded.

Small images: below 8 pixels, a side is a single pixel while the resolution is lost, so the image
becomes level along it; below 5 pixels, motion changes nothing, because the line of the blur is one
pixel long. A black square covers half of the smaller side, rounded up: an image of one pixel
becomes black. Fog is thinner in small images: a third of a single pixel is fog, nine tenths of an
image of 32 × 32, and all but everything from 100 pixels on.
"""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.corruption.draws import below, normals
from coreset_cli.corruption.fog import fogged
from coreset_cli.corruption.motion import blur_kernel, correlated
from coreset_cli.corruption.resolution import coarsened

__all__ = ["fog", "gaussian", "motion", "occlusion", "resolution"]


def motion(values: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """Blur along a line; a constant image stays as it is.

    Args:
        values: [h, w] or [h, w, c].
        angle: of the line, in degrees counter-clockwise from level.
    """
    height, width = values.shape[:2]
    kernel = blur_kernel(height, width, angle)
    return np.rint(correlated(values, kernel) / kernel.sum()).astype(np.uint8)


def fog(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend with grey, most in the middle."""
    return _bytes(fogged(values))


def resolution(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep every fourth pixel each way, smoothed; at least one."""
    height, width = values.shape[:2]
    return coarsened(values, max(1, height // 4), max(1, width // 4))


def occlusion(values: NDArray[np.uint8], words: np.random.Generator) -> NDArray[np.uint8]:
    """Cover a square of side ⌊min(h, w)/2 + ½⌋ with black, at a random place inside the image."""
    height, width = values.shape[:2]
    side = (min(height, width) + 1) // 2
    top = below(words, height - side + 1)
    left = below(words, width - side + 1)
    covered = values.copy()
    covered[top : top + side, left : left + side] = 0
    return covered


def gaussian(
    values: NDArray[np.uint8], words: np.random.Generator, sigma: float
) -> NDArray[np.uint8]:
    """Add normal noise to every value.

    Args:
        values: [h, w] or [h, w, c].
        words: where the noise comes from.
        sigma: its deviation, as a fraction of 255.
    """
    noise = normals(words, values.size).reshape(values.shape)
    return _bytes(values / 255 + sigma * noise)


def _bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)
