"""Kernel thinning: halve a sequence of rows so that both halves keep its distribution.

Values of the kernel are whole numbers (`radial`) and their sums are exact; what is then done to
them is done one operation at a time, so the halves are the same on every machine.
"""

import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import Rounded, leader
from coreset_cli.kernels.pairs import BLOCK_ROWS, squares_between, squares_to
from coreset_cli.kernels.radial import ONE, Radial

__all__ = ["best_of", "halved", "level_constants", "refined"]

FAILURE = 2
"""The bound of the paper holds but for a chance of 1 in so many."""

Draw = Callable[[int, NDArray[np.int64]], NDArray[np.float64]]
"""Uniform numbers of a level for some rows."""


def halved(
    points: Fixed, kernel: Radial, order: NDArray[np.int64], levels: int, draw: Draw
) -> NDArray[np.int64]:
    """All 2^levels parts of a sequence, each as good a likeness of it as halving can make.

    Source: Dwivedi & Mackey, "Kernel thinning", COLT 2021, algorithm 1a (kt-split); with the kernel
    itself, "Generalized kernel thinning", ICLR 2022.

    Args:
        points: the cloud.
        kernel: how alike two rows are.
        order: [n'] rows in sequence; n' is a multiple of 2^levels.
        levels: how often to halve.
        draw: the randomness.

    Returns:
        [2^levels, n' / 2^levels] rows of each part.
    """
    parts = order[None]
    for level, spread in enumerate(level_constants(len(order), levels)):
        uniform = [draw(level, part[::2]) for part in parts]
        parts = np.concatenate(
            [
                _halves(points, kernel, part, chance, spread)
                for part, chance in zip(parts, uniform, strict=True)
            ]
        )
    return parts


def level_constants(n: int, levels: int) -> list[float]:
    """2 ln(2/δ′) of each level, δ′ = 2^level · δ / (n · levels), correctly rounded."""
    return [
        float(2 * (Decimal(2 * FAILURE * n * levels) / 2**level).ln()) for level in range(levels)
    ]


def best_of(
    points: Fixed,
    kernel: Radial,
    parts: list[NDArray[np.int64]],
    sums: Float64[Tensor, " n"],
) -> int:
    """Which part is most like all rows, by its maximum mean discrepancy; of equal ones the first.

    Args:
        points: all rows.
        kernel: how alike two rows are.
        parts: rows of each; all as many.
        sums: [n] of the kernel over all rows.
    """
    return min(range(len(parts)), key=lambda part: _discrepancy(points, kernel, parts[part], sums))


def refined(
    points: Fixed,
    kernel: Radial,
    chosen: NDArray[np.int64],
    sums: Float64[Tensor, " n"],
    progress: Callable[[int, int], None],
) -> list[int]:
    """Rows in whose place no other row would be more like all rows, each looked at once.

    The discrepancy to all rows never grows. Two passes over the rows for each that is replaced.

    Args:
        points: all rows.
        kernel: how alike two rows are.
        chosen: [k] distinct rows.
        sums: [n] of the kernel over all rows.
        progress: called with rows looked at and in all.
    """
    rows, k = chosen.tolist(), len(chosen)
    near = _sums_over(points, kernel, chosen)
    usual = sums / len(points)
    taken = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    taken[torch.from_numpy(chosen).to(points.device)] = True
    for place, row in enumerate(rows):
        near -= kernel.of(squares_to(points, row))
        gain = usual - near / k
        own = float(gain[row])
        gain[taken] = -torch.inf
        best = leader(gain, points.rows.rank)
        if float(gain[best]) > own:
            taken[row], taken[best], rows[place] = False, True, best
        near += kernel.of(squares_to(points, rows[place]))
        progress(place + 1, k)
    return rows


def _halves(
    points: Fixed,
    kernel: Radial,
    part: NDArray[np.int64],
    uniform: NDArray[np.float64],
    spread: float,
) -> NDArray[np.int64]:
    """[2, m/2] the halves of m rows: of each pair in turn one goes here and one there.

    What decides is Σ over the second half less Σ over the first of κ(·, x) − κ(·, x′): a sum over
    pairs before, each with the sign of what was decided for it.
    """
    first, second = (
        points.rows.take(torch.from_numpy(side.copy()).to(points.device))
        for side in (part[::2], part[1::2])
    )
    signs = torch.zeros(len(first), dtype=torch.float64, device=points.device)
    variance = 0.0
    for start in range(0, len(first), BLOCK_ROWS):
        now = slice(start, start + BLOCK_ROWS)
        lean = torch.zeros(len(first.take(now)), dtype=torch.float64, device=points.device)
        for before in range(0, start, BLOCK_ROWS):
            then = slice(before, before + BLOCK_ROWS)
            lean += (_contrasts(kernel, first, second, now, then) * signs[then]).sum(1)
        block = _contrasts(kernel, first, second, now, now).cpu().numpy() / ONE
        leans = lean.cpu().numpy() / ONE
        for i, size in enumerate(block.diagonal().tolist()):
            limit = max(math.sqrt(variance * size * spread), size)
            chance = 0.5
            if limit > 0:
                chance = min(1.0, max(0.0, 0.5 * (1 - float(leans[i]) / limit)))
                ratio = 0.5 + (size / (2 * limit) - 1) * variance / limit
                variance += 2 * size * max(0.0, ratio) if variance else size
            sign = 1.0 if uniform[start + i] < chance else -1.0
            signs[start + i] = sign
            leans += sign * block[:, i]
    ahead = signs.cpu().numpy() > 0
    return np.stack(
        [np.where(ahead, part[1::2], part[::2]), np.where(ahead, part[::2], part[1::2])]
    )


def _contrasts(
    kernel: Radial, first: Rounded, second: Rounded, now: slice, then: slice
) -> Float64[Tensor, "m b"]:
    """⟨κ(·, x) − κ(·, x′), κ(·, z) − κ(·, z′)⟩ of pairs (x, x′) and (z, z′)."""
    mine, yours = (first.take(now), second.take(now)), (first.take(then), second.take(then))
    alike = kernel.of(squares_between(mine[0], yours[0]))
    alike += kernel.of(squares_between(mine[1], yours[1]))
    alike -= kernel.of(squares_between(mine[0], yours[1]))
    return alike.sub_(kernel.of(squares_between(mine[1], yours[0])))


def _discrepancy(
    points: Fixed, kernel: Radial, part: NDArray[np.int64], sums: Float64[Tensor, " n"]
) -> int:
    """The squared discrepancy times n k², but for what all parts share."""
    index = torch.from_numpy(part).to(points.device)
    rows = points.rows.take(index)
    within = 0
    for start in range(0, len(part), BLOCK_ROWS):
        for other in range(start, len(part), BLOCK_ROWS):
            mine, theirs = slice(start, start + BLOCK_ROWS), slice(other, other + BLOCK_ROWS)
            block = kernel.of(squares_between(rows.take(mine), rows.take(theirs)))
            within += int(block.sum()) * (1 if other == start else 2)
    across = sum(int(value) for value in sums[index].tolist())
    return len(points) * within - 2 * len(part) * across


def _sums_over(points: Fixed, kernel: Radial, part: NDArray[np.int64]) -> Float64[Tensor, " n"]:
    """Σ over a part of the rows of the kernel with each row."""
    sums = torch.zeros(len(points), dtype=torch.float64, device=points.device)
    chosen: Int64[Tensor, " k"] = torch.from_numpy(part).to(points.device)
    for few in chosen.split(BLOCK_ROWS):
        theirs = points.rows.take(few)
        for start in range(0, len(points), BLOCK_ROWS):
            mine = slice(start, start + BLOCK_ROWS)
            sums[mine] += kernel.of(squares_between(points.rows.take(mine), theirs)).sum(1)
    return sums
