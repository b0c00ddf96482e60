"""The floor of a pass: summing the same buffer with the same threads, compiled.

A sum does as little as can be done with values that are all read, so what it takes is the memory's
time: whatever reads all rows once cannot be faster, and is good where it is near.
"""

import numba
import numpy as np
import torch
from clock import best
from numpy.typing import NDArray
from report import heading, row, table
from setup import Setup
from vectors import CPU

__all__ = ["SHAPES", "floor", "measure", "quantised"]

SHAPES = ((20_000, 512), (131_072, 512), (400_000, 64), (60_000, 1280))
"""Rows and width: in the cache of many processors as int16, and several times larger."""

PART = 1 << 15
"""Values that are summed at a time: at most 2¹⁵ · 2¹⁵ as int16, which int32 holds."""

SUMS = 20
"""Sums of which the fastest is the floor."""


def measure(setup: Setup) -> None:
    """Print the floor of each shape."""
    heading(
        "The floor",
        "Summing a buffer with all threads, compiled, best of "
        f"{SUMS}: of the float32 vectors as they come in, and of int16 vectors of the same shape, "
        "as the engine holds them. Times of other tables are given as multiples of these.",
    )
    table(("rows × width", "float32", "", "int16", ""))
    for n, d in shapes(setup):
        cells: list[str] = []
        for dtype in (np.float32, np.int16):
            buffer = np.ones((n, d), dtype)
            took = floor(buffer, setup.device)
            cells += [f"{took * 1e3:.2f} ms", f"{buffer.nbytes / took / 1e9:.0f} GB/s"]
        row(f"{n:,} × {d}", *cells)
    print()


def shapes(setup: Setup) -> tuple[tuple[int, int], ...]:
    """Rows and width of the shapes of this run; one more where the processor is not to do it."""
    if setup.quick:
        return SHAPES[:2]
    return SHAPES if setup.device == CPU else (*SHAPES, (1_000_000, 512))


def quantised(n: int, d: int) -> NDArray[np.int16]:
    """[n, d] a buffer of the size that the engine holds."""
    return np.ones((n, d), np.int16)


def floor(buffer: NDArray[np.generic], device: torch.device = CPU) -> float:
    """Seconds to read a buffer once, where the engine computes."""
    if device != CPU:
        return _floor_of_device(torch.from_numpy(buffer).to(device))
    flat = buffer.reshape(-1)
    total = _sum_whole if buffer.dtype == np.int16 else _sum_float
    total(flat)
    return best(lambda: total(flat), SUMS)


def _floor_of_device(buffer: torch.Tensor) -> float:
    """The same by torch, as float32 bits whatever they stand for."""
    flat = buffer.reshape(-1).view(torch.float32)

    def total() -> None:
        flat.sum()
        torch.cuda.synchronize(buffer.device)

    total()
    return best(total, SUMS)


@numba.njit(parallel=True, fastmath={"reassoc"}, cache=True)
def _sum_float(values):
    parts = (len(values) + PART - 1) // PART
    sums = np.zeros(parts, np.float64)
    for part in numba.prange(parts):
        mine = values[part * PART : (part + 1) * PART]  # counted from 0, else it is not vectorised
        total = np.float32(0)
        for i in range(len(mine)):
            total += mine[i]
        sums[part] = total
    return sums.sum()


@numba.njit(parallel=True, cache=True)
def _sum_whole(values):
    parts = (len(values) + PART - 1) // PART
    sums = np.zeros(parts, np.int64)
    for part in numba.prange(parts):
        mine = values[part * PART : (part + 1) * PART]
        total = np.int32(0)
        for i in range(len(mine)):
            total = np.int32(total + mine[i])
        sums[part] = total
    return sums.sum()
