"""Centres taken coordinate by coordinate: mean and median."""

import numpy as np
import torch
from jaxtyping import Float, Float64, Real
from torch import Tensor

from coreset_cli.kernels.loops import two_to
from coreset_cli.kernels.points import Points

__all__ = ["coordinate_median", "mean"]

MEAN_BITS = 36
"""Bits of a value, relative to the largest of its row, that a mean is summed from."""

EXPONENTS = 512
"""Powers of two that the largest value of a row may lie between: those of single precision."""


COLUMN_BYTES = 24 << 20
"""Bytes of whole columns that a coordinate-wise median holds at once."""


def mean(points: Points) -> Float[Tensor, " d"]:
    """Arithmetic mean.

    Every row is rounded to 36 bits of its own size and summed as whole numbers with the rows of
    that size, up to 2²⁷ of them, so the order of rows changes nothing.
    """
    sums = torch.zeros(EXPONENTS, points.d, dtype=torch.int64, device=points.device)
    for _, block in points.blocks():
        size = torch.frexp(block.abs().amax(1))[1]
        whole = torch.round(block * two_to(MEAN_BITS - size)[:, None])
        sums.index_add_(0, size.long() + EXPONENTS // 2, whole.long())
    size = torch.arange(EXPONENTS, device=points.device) - EXPONENTS // 2
    every = torch.from_numpy(points.comm.sum(sums.cpu().numpy())).to(points.device)
    used = every.any(1).nonzero().squeeze(1)
    total = torch.zeros(points.d, dtype=torch.float64, device=points.device)
    for part, scale in zip(every[used].double(), two_to(size[used] - MEAN_BITS), strict=True):
        total += part * scale
    return total / points.total_n


def coordinate_median(points: Points) -> Float[Tensor, " d"]:
    """Median of each coordinate; the mean of the middle two where n is even.

    Reads the points once for every so many coordinates as fit into 24 MB, at least one. Values as
    stored are single, and partitioned as such: that is three times as fast.
    """
    kind = np.dtype(np.float64 if points.scaled else np.float32)
    width = max(1, min(points.d, COLUMN_BYTES // (kind.itemsize * points.n)))
    medians = np.empty(points.d)
    for first in range(0, points.d, width):
        wanted = slice(first, min(first + width, points.d))
        columns = np.empty((len(medians[wanted]), points.n), kind)
        for start, block in points.blocks() if points.scaled else points.stored():
            columns[:, start : start + len(block)] = block[:, wanted].T.cpu().numpy()
        medians[wanted] = _medians(columns)
    return torch.from_numpy(medians).to(points.device)


def _medians(columns: Real[np.ndarray, "m n"]) -> Float64[np.ndarray, " m"]:
    """Median of each row; the values are left in another order."""
    half = columns.shape[1] // 2
    columns.partition(half, axis=1)
    upper = columns[:, half].astype(np.float64)
    if columns.shape[1] % 2:
        return upper
    # the lower of the middle two is the largest below: a second partition would cost as much again
    return (upper + columns[:, :half].max(axis=1)) / 2
