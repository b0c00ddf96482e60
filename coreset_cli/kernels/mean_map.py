"""The mean of a kernel over all rows, and picks whose own mean follows it.

All values of the kernel are whole numbers (`radial`), so every sum of them is exact in any order.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import leader
from coreset_cli.kernels.memo import FORGETFUL, Memo
from coreset_cli.kernels.pairs import BLOCK_ROWS, squares_between, squares_to
from coreset_cli.kernels.radial import Radial

__all__ = ["STATE_BYTES", "herd", "kernel_sums"]

STATE_BYTES = 72
"""Bytes a row beside the points: sums over all rows and over the picks, scores, and a column."""


def kernel_sums(points: Fixed, kernel: Radial) -> Float64[Tensor, " n"]:
    """Σ_j κ(x_i, x_j) of each row over all rows, itself included; every pair is computed once."""
    n = len(points)
    sums = torch.zeros(n, dtype=torch.float64, device=points.device)
    for start in range(0, n, BLOCK_ROWS):
        mine = points.rows.take(slice(start, start + BLOCK_ROWS))
        for other in range(start, n, BLOCK_ROWS):
            theirs = points.rows.take(slice(other, other + BLOCK_ROWS))
            block = kernel.of(squares_between(mine, theirs))
            sums[start : start + BLOCK_ROWS] += block.sum(1)
            if other > start:
                sums[other : other + BLOCK_ROWS] += block.sum(0)
    return sums


def herd(
    points: Fixed,
    kernel: Radial,
    k: int,
    progress: Callable[[int, int], None],
    memo: Memo = FORGETFUL,
) -> list[int]:
    """Pick, k times, the row that is usual among all rows and unlike the picks.

    With t picks the next has the largest mean_j κ(x, x_j) − Σ_picks κ(x, s) / (t + 1); of equal
    ones the smallest id. One pass over the rows a pick.

    Source: Chen, Welling & Smola, "Super-samples from kernel herding", UAI 2010, eq. 8.

    Args:
        points: the cloud.
        kernel: how similar two rows are.
        k: rows to pick.
        progress: called with picks done and in all.
        memo: where the picks and the sums are kept.

    Returns:
        Distinct row numbers in the order picked.
    """
    kept = memo.recall()
    picks: list[int] = []
    if kept is None:
        usual = kernel_sums(points, kernel) / len(points)
        near = torch.zeros_like(usual)
    else:
        picks = kept["picks"].tolist()
        usual = torch.from_numpy(kept["usual"]).to(points.device)
        near = torch.from_numpy(kept["near"]).to(points.device)
    while True:
        score = usual - near / (len(picks) + 1)
        score[torch.tensor(picks, dtype=torch.int64, device=points.device)] = -torch.inf
        row = leader(score, points.rows.rank)
        picks.append(row)
        progress(len(picks), k)
        if len(picks) == k:
            return picks
        near += kernel.of(squares_to(points, row))
        if memo.due():
            sums = {"usual": usual.cpu().numpy(), "near": near.cpu().numpy()}
            memo.keep({"picks": np.array(picks), **sums}, len(picks))
