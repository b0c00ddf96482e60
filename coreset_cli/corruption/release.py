"""The profile `mds-release`: images as published rows were made from, defects included.

For images of 32 × 32 and 64 × 64 pixels in colour, and for nothing but reproducing those rows.
Noise destroys an image, because negative values wrap around; fog is black, because fractions are
stored as whole numbers; the place of the black rectangle is fixed; motion also stretches contrast.

Source: the code of Xia et al., "Moderate coreset: a universal method of data selection for
real-world data-efficient deep learning", ICLR 2023.
Deviates: noise comes from a stream of the row, not from the clock. Motion is computed exactly, and
what lies in the middle of two levels goes to the even one; the imaging library of that code sums in
single precision, where rounding decides: on 500 images of CIFAR-10, 0.2 % of the values differ, by
3 levels at most.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coreset_cli.corruption.draws import normals
from coreset_cli.corruption.fog import fogged
from coreset_cli.corruption.motion import RELEASED_SCALE, correlated, released_kernel
from coreset_cli.corruption.resolution import coarsened

__all__ = ["SIZES", "after_jpeg", "fog", "gaussian", "motion", "occlusion", "resolution"]

SIZES = (32, 64)
"""Pixels of a side for which the profile is defined."""

COVERED_TO = {32: 20, 64: 45}
"""Last covered row and column by the size of the image; the first is 5."""

QUALITY = 75
"""Of JPEG files, where images were stored in place."""


def motion(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur, then stretch all channels together to 0 … 255; a constant image becomes black."""
    blurred = np.rint(correlated(values, released_kernel()) / RELEASED_SCALE)
    low, high = blurred.min(), blurred.max()
    if low == high:
        return np.zeros_like(values)
    return np.rint((blurred - low) * 255 / (high - low)).astype(np.uint8)


def fog(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Store the fraction instead of the 255-fold of it: black."""
    return fogged(values).astype(np.uint8)


def resolution(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep every fourth pixel each way, smoothed."""
    size = len(values) // 4
    return coarsened(values, size, size)


def occlusion(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cover a fixed rectangle with black."""
    covered, stop = values.copy(), COVERED_TO[len(values)] + 1
    covered[5:stop, 5:stop] = 0
    return covered


def gaussian(values: NDArray[np.uint8], words: np.random.Generator) -> NDArray[np.uint8]:
    """Add noise of mean 0.2 and deviation 1 to fractions; what is negative wraps around 256."""
    noise = 0.2 + normals(words, values.size).reshape(values.shape)
    noisy = (values / 255 + noise).clip(-1, 1)
    # By way of integers: what a negative fraction becomes as a byte depends on the processor.
    return (noisy * 255).astype(np.int16).astype(np.uint8)


def after_jpeg(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is left of an image that was stored as JPEG."""
    stored = BytesIO()
    Image.fromarray(values).save(stored, "JPEG", quality=QUALITY)
    return np.array(Image.open(stored))
