"""Several pictures in one: an image is cut into a grid, and each part is enlarged to full size.

Source: Kim et al., "Dataset condensation via efficient synthetic-data parameterization", ICML 2022,
section 4 (multi-formation) and the authors' code (start by mixing, filling).
Deviates: where a side is no multiple of the factor, a picture is shrunk to the pixels that its part
has, so that none of it is cut off.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coreset_cli.errors import InvalidParameter

__all__ = ["decoded", "mixed", "parts", "require_factor"]

FILL = 0.5
"""Value of the pixels added where a side is no multiple of the factor."""


def parts(factor: int) -> int:
    """Pictures in an image."""
    return factor**2


def require_factor(factor: int, *, size: tuple[int, int]) -> None:
    """Refuse a grid with a part that has no pixel.

    Args:
        factor: parts along each side.
        size: height and width of the images, in pixels.

    Raises:
        InvalidParameter: there is such a part, or the factor is not positive.
    """
    if factor < 1:
        raise InvalidParameter(f"factor is {factor}; it must be at least 1")
    if any((factor - 1) * _part(side, factor) >= side for side in size):
        height, width = size
        raise InvalidParameter(
            f"factor is {factor}; images of {height}×{width} pixels cannot be cut into "
            f"{factor}×{factor} parts of equal size; take a smaller factor"
        )


def decoded(pixels: Float[Tensor, "m c h w"], factor: int) -> Float[Tensor, "m_parts c h w"]:
    """The factor² pictures that each image holds; those of an image follow one another, row by row.

    Enlarged bilinearly, corners not aligned; with factor 1 the images themselves. Differentiable.

    Args:
        pixels: m images in [0, 1]; parts beyond them are filled with grey.
        factor: parts along each side, as `require_factor` allows.
    """
    if factor == 1:
        return pixels
    h, w = pixels.shape[2:]
    tall, wide = _part(h, factor), _part(w, factor)
    beyond = (0, wide * factor - w, 0, tall * factor - h)
    grid = functional.pad(pixels, beyond, value=FILL)
    grid = grid.unflatten(3, (factor, wide)).unflatten(2, (factor, tall))
    crops = grid.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
    return functional.interpolate(crops, size=(h, w), mode="bilinear", align_corners=False)


def mixed(pictures: Float[Tensor, "m_parts c h w"], factor: int) -> Float[Tensor, "m c h w"]:
    """Images that hold factor² pictures each, shrunk by taking the nearest pixel.

    Picture i·factor² + j goes to part j of image i: where `decoded` finds it.

    Args:
        pictures: factor² for each image.
        factor: parts along each side, as `require_factor` allows.
    """
    if factor == 1:
        return pictures
    h, w = pictures.shape[2:]
    tall, wide = _part(h, factor), _part(w, factor)
    count = parts(factor)
    images = pictures.new_empty(len(pictures) // count, *pictures.shape[1:])
    for j in range(count):
        top, left = j // factor * tall, j % factor * wide
        part = images[:, :, top : top + tall, left : left + wide]
        size = (part.shape[2], part.shape[3])
        part.copy_(functional.interpolate(pictures[j::count], size=size))
    return images


def _part(side: int, factor: int) -> int:
    return -(-side // factor)
