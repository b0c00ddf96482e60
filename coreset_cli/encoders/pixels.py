"""Pixels as they are, scaled to [−1, 1]: no weights, and no statistic of the data."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

from coreset_cli.encoders.spec import EncoderSpec, First, Modality
from coreset_cli.errors import BrokenImage, InvalidParameter
from coreset_cli.io.image import pixels
from coreset_cli.settings import filled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from coreset_cli.encoders.encoder import Encoder

__all__ = ["make", "require"]

BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class PixelSettings:
    """What can be set.

    Args:
        size: side in pixels that all images are resized to; where not given, all must have one.
        channels: 1 makes all grey, 3 colour; where not given, what the first image has.
    """

    size: int | None = None
    channels: int | None = None


def require(spec: EncoderSpec, modality: Modality) -> None:
    """Check the settings; there is nothing to be had from elsewhere.

    Raises:
        InvalidParameter: texts, or settings that cannot be.
    """
    if modality != "image":
        raise InvalidParameter("pixels are of images; for texts use open_clip")
    settings = filled(PixelSettings, spec.settings, "pixels")
    if settings.channels not in (None, 1, 3):
        raise InvalidParameter(f"pixels: channels are 1 or 3, not {settings.channels}")
    if settings.size is not None and not 1 <= settings.size <= 4096:
        raise InvalidParameter(f"pixels: size is from 1 to 4096, not {settings.size}")


def make(spec: EncoderSpec, modality: Modality, device: "torch.device", first: First) -> "Encoder":
    """Row by row, channels last: value x of 0…255 becomes x/127.5 − 1.

    Raises:
        InvalidParameter: no image can be decoded that would say their size.
    """
    from coreset_cli.encoders.encoder import Encoder

    settings = filled(PixelSettings, spec.settings, "pixels")
    model = first()
    if model is None:
        raise InvalidParameter("no image could be read, so pixels have no size")
    channels = settings.channels or (1 if model.mode == "L" else 3)
    width, height = model.size if settings.size is None else (settings.size, settings.size)
    return Encoder(
        text=spec.text,
        width=height * width * channels,
        batch=BATCH,
        digest=f"{height}x{width}x{channels}",
        prepare=partial(_values, fixed=settings, width=width, height=height, channels=channels),
        forward=_scaled,
        device=device,
        sample_bytes=4 * height * width * channels,
    )


def _scaled(batch: "Tensor") -> "Tensor":
    return batch.float().flatten(1) / 127.5 - 1


def _values(
    image: Image.Image, *, fixed: PixelSettings, width: int, height: int, channels: int
) -> "Tensor":
    import torch

    if image.size != (width, height):
        if fixed.size is None:
            raise BrokenImage(
                f"it has {image.height}×{image.width} pixels, the first image {height}×{width}; "
                f"resize all with --encoder pixels:size={min(height, width)}"
            )
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if channels == 1 and image.mode != "L" and fixed.channels is None:
        raise BrokenImage(
            "it has colour, the first image has none; say --encoder pixels:channels=3, or 1"
        )
    return torch.from_numpy(pixels(image, channels))
