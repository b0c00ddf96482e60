"""The preprocessing of libraries, around images that it cannot take."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coreset_cli.errors import BrokenImage

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

__all__ = ["library_transform"]

NARROWEST = 200
"""Sides of more than this ratio are refused: scaled to the side that a network takes, the longer
one would fill the memory."""


def library_transform(transform: "Callable[[Image], Tensor]") -> "Callable[[Image], Tensor]":
    """A transform that takes any decoded image; grey becomes RGB.

    Args:
        transform: of the library, from an RGB image to [c h w].
    """

    def prepare(image: "Image") -> "Tensor":
        short, long = sorted(image.size)
        if long > NARROWEST * short:
            raise BrokenImage(
                f"{image.width}×{image.height} is too narrow to be scaled; crop it to a ratio of "
                f"at most {NARROWEST}:1"
            )
        return transform(image.convert("RGB"))

    return prepare
