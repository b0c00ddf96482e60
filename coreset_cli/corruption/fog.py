"""Fog: light that is lost on the way, more of it in the middle of an image.

Source: as in the code of Xia et al., "Moderate coreset", ICLR 2023, before it is stored.
Deviates: nothing is lost where the distance would be negative (images above 1,250 pixels).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["fogged"]

DENSITY, NEARER, HAZE = 0.4, 0.04, 0.5
"""Loss a unit of distance; how much nearer a pixel is to the eye for each pixel that it is from
the middle; brightness of fog alone."""


def fogged(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Blend an image with grey: x·t + ½(1 − t), t = exp(−0.4·distance).

    Args:
        values: [h, w] or [h, w, c].

    Returns:
        The same shape, in [0, 1].
    """
    height, width, *channels = values.shape
    left = _light_left(height, width).reshape(height, width, *(1 for _ in channels))
    return values / 255 * left + HAZE * (1 - left)


@lru_cache(maxsize=4)
def _light_left(height: int, width: int) -> NDArray[np.float64]:
    """[h, w] share of the light that arrives."""
    rows, columns = np.arange(height)[:, None], np.arange(width)
    away = np.hypot(rows - height // 2, columns - width // 2)
    distance = np.sqrt(max(height, width)) - NEARER * away
    left = np.exp(-DENSITY * np.maximum(distance, 0))
    left.setflags(write=False)
    return left
