"""Loss of resolution: an image made small and large again.

Source: as in the code of Xia et al., "Moderate coreset", ICLR 2023, with Pillow from 7.0 on.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["coarsened"]


def coarsened(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize to a smaller image and back, bicubic, smoothed against aliasing when shrinking.

    Args:
        values: [h, w] or [h, w, c].
        height: of the small image, at least 1.
        width: of the small image, at least 1.

    Returns:
        The shape of the values.
    """
    if values.ndim == 3:
        channels = np.moveaxis(values, 2, 0)
        return np.stack([coarsened(channel, height, width) for channel in channels], axis=2)
    image = Image.fromarray(np.ascontiguousarray(values))
    small = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(small.resize(image.size, Image.Resampling.BICUBIC))
