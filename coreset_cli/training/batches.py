"""A data set of pictures as tensors on the device.

Real ones are bytes there, and numbers only while in a batch; synthetic ones are numbers always.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Images", "Pixels", "batches_of", "images_of", "statistics"]

BLOCK_BYTES = 16 << 20
"""Bytes of pictures summed at a time."""

Pixels = UInt8[Tensor, "n c h w"] | Float32[Tensor, "n c h w"]
"""From 0 to 255; numbers may lie between bytes and beyond them."""


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures with their classes, all on one device.

    Args:
        pixels: [n, c, h, w] from 0 to 255: bytes, or float32 of synthetic pictures.
        targets: [n] class of each row.
        weights: [n] positive, of any scale; equal ones where not given.
        mean: [c] of x/255, subtracted from it.
        std: [c] by which the difference is divided.
        support: [n] rows of which a recipe may draw some each epoch; none where not given.
    """

    pixels: Pixels
    targets: Int64[Tensor, " n"]
    weights: Float32[Tensor, " n"] | None
    mean: Float32[Tensor, " c"]
    std: Float32[Tensor, " c"]
    support: Bool[Tensor, " n"] | None = None

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pixels)

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        return self.pixels.device

    def take(self, rows: NDArray[np.int64]) -> "Images":
        """Some rows, under the same statistics: what a network trained on all rows would see."""
        index = torch.tensor(rows, device=self.device)
        weights = None if self.weights is None else self.weights[index]
        support = None if self.support is None else self.support[index]
        return Images(
            self.pixels[index], self.targets[index], weights, self.mean, self.std, support
        )

    def normalised(self, rows: Int64[Tensor, " m"] | slice) -> Float32[Tensor, "m c h w"]:
        """Some rows as a network takes them."""
        return self.normalise(self.pixels[rows].float())

    def normalise(self, values: Float32[Tensor, "m c h w"]) -> Float32[Tensor, "m c h w"]:
        """(x/255 − mean)/std of values from 0 to 255."""
        scale = (255 * self.std)[:, None, None]
        return (values - (255 * self.mean)[:, None, None]) / scale


def images_of(
    values: NDArray[np.uint8],
    codes: NDArray[np.int64],
    *,
    weights: NDArray[np.floating] | None = None,
    like: Images | None = None,
    device: torch.device | None = None,
) -> Images:
    """Pictures on a device, normalised by their own statistics.

    Args:
        values: [n, h, w, c].
        codes: [n] class of each row.
        weights: [n] positive.
        like: take mean and deviation from these instead: tests are seen as training rows are.
        device: where to; the processor where not given.
    """
    where = device or torch.device("cpu")
    pixels = torch.from_numpy(np.array(values.transpose(0, 3, 1, 2), order="C")).to(where)
    mean, std = statistics(pixels) if like is None else (like.mean, like.std)
    return Images(
        pixels,
        torch.tensor(codes, device=where),
        None if weights is None else torch.tensor(weights, dtype=torch.float32, device=where),
        mean.to(where),
        std.to(where),
    )


def statistics(
    pixels: UInt8[Tensor, "n c h w"],
) -> tuple[Float32[Tensor, " c"], Float32[Tensor, " c"]]:
    """Mean and deviation of each channel of x/255, over all pixels of the rows given.

    Sums are of integers, so blocks, threads and devices change nothing. A channel that does not
    vary has deviation 1: it becomes 0 and not infinite.
    """
    n, c, h, w = pixels.shape
    total = torch.zeros(c, dtype=torch.int64, device=pixels.device)
    squares = torch.zeros_like(total)
    rows = max(1, BLOCK_BYTES // (8 * c * h * w))
    for block in pixels.split(rows):
        wide = block.to(torch.int64)
        total += wide.sum((0, 2, 3))
        squares += (wide * wide).sum((0, 2, 3))
    count = n * h * w
    mean = total.double() / count
    # count·Σx² − (Σx)² in whole numbers of Python: exact, where floats would cancel.
    spread = [
        (count * q - s * s) / count**2
        for q, s in zip(squares.tolist(), total.tolist(), strict=True)
    ]
    deviation = torch.tensor(spread, dtype=torch.float64).sqrt()
    deviation[deviation == 0] = 255.0
    return (mean / 255).float(), (deviation / 255).float().to(pixels.device)


def batches_of(order: Int64[Tensor, " n"], batch: int) -> list[Int64[Tensor, " _"]]:
    """An epoch's rows in batches; a last one of a single row joins the one before.

    Batch normalisation fails on one row, and leaving it out would leave a row untrained.
    """
    parts = list(order.split(batch))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
