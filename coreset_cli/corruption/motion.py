"""Motion blur: kernels that are lines, and correlation with them.

Source: the two-row kernel is what the code of Xia et al., "Moderate coreset", ICLR 2023, makes of
a diagonal turned by 45° about the corner of the middle pixel, in exact fractions.
"""

from functools import lru_cache
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

__all__ = ["RELEASED_SCALE", "blur_kernel", "correlated", "released_kernel"]

LENGTH = 15
"""Pixels of the line where an image is at least 32 pixels high and wide."""

RELEASED_ROW = (378, 432, 272, 341, 420, 348, 278, 400, 400, 278, 348, 420, 341, 272, 432)
RELEASED_SCALE = 15360
"""Rows 7 and 8 of the released kernel are these numbers over 15360; the others are zero."""


@lru_cache(maxsize=1)
def released_kernel() -> NDArray[np.float64]:
    """[15, 15] the released kernel times 15360: whole numbers, so that sums of it are exact."""
    kernel = np.zeros((LENGTH, LENGTH))
    kernel[7:9] = RELEASED_ROW
    kernel.setflags(write=False)
    return kernel


def blur_kernel(height: int, width: int, angle: float) -> NDArray[np.float64]:
    """[l, l] kernel for an image of this size, not divided by its sum; l is odd.

    The released kernel for a level blur of an image of at least 32 × 32; else a line of 15 pixels,
    or of 2⌊15·min(h, w)/64⌋ + 1 in smaller images: 13 at 28 pixels, 3 at 8, and 1, which changes
    nothing, below 5.

    Args:
        height: of the image.
        width: of the image.
        angle: of the line, in degrees counter-clockwise from level.
    """
    smallest = min(height, width)
    if smallest < 32:
        return _line(2 * (LENGTH * smallest // 64) + 1, angle)
    return released_kernel() if angle == 0 else _line(LENGTH, angle)


def correlated(values: NDArray[np.uint8], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """out(y, x) = Σ k(v, u)·x(y + v − a, x + u − a), mirrored at the middle of border pixels.

    Exact where the kernel holds whole numbers.

    Args:
        values: [h, w] or [h, w, c].
        kernel: [l, l], l = 2a + 1.

    Returns:
        The shape of the values.
    """
    height, width = values.shape[:2]
    reach = len(kernel) // 2
    border = [(reach, reach), (reach, reach), (0, 0)][: values.ndim]
    wide = np.pad(values, border, mode="reflect").astype(np.float64)
    total = np.zeros(values.shape)
    for v, u in np.argwhere(kernel).tolist():
        total += kernel[v, u] * wide[v : v + height, u : u + width]
    return total


@lru_cache(maxsize=16)
def _line(length: int, angle: float) -> NDArray[np.float64]:
    """[l, l] one unit at each of l points a pixel apart, shared among the four pixels around it."""
    half = length // 2
    kernel = np.zeros((length + 1, length + 1))  # one more, for shares of exactly nothing
    for step in range(-half, half + 1):
        # Rounded, so that a level or an upright line is exactly one row or one column.
        u = round(half + step * cos(radians(angle)), 12)
        v = round(half - step * sin(radians(angle)), 12)
        left, top = int(u), int(v)
        right, down = u - left, v - top
        kernel[top, left] += (1 - down) * (1 - right)
        kernel[top, left + 1] += (1 - down) * right
        kernel[top + 1, left] += down * (1 - right)
        kernel[top + 1, left + 1] += down * right
    kernel = kernel[:length, :length]
    kernel.setflags(write=False)
    return kernel
