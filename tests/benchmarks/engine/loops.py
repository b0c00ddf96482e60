"""The loops in single precision that a reader would write with torch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LOOPS", "inside_classes"]


def plain_median(x: Tensor, steps: int = 20) -> Tensor:
    """Weiszfeld's iteration."""
    y = x.mean(0)
    for _ in range(steps):
        w = 1 / (x - y).norm(dim=1).clamp_min(1e-12)
        y = (w[:, None] * x).sum(0) / w.sum()
    return y


def plain_matching(x: Tensor, target: Tensor, k: int) -> list[int]:
    """Nearest row to a residual that follows the target."""
    norms = (x * x).sum(1)
    theta, taken, rows = target.clone(), torch.zeros(len(x), dtype=torch.bool), []
    for _ in range(k):
        row = int((2 * (x @ theta) - norms).masked_fill(taken, -torch.inf).argmax())
        taken[row] = True
        rows.append(row)
        theta += target - x[row]
    return rows


def plain_gm(x: Tensor, k: int) -> list[int]:
    """Matching to the geometric median."""
    return plain_matching(x, plain_median(x), k)


def plain_herding(x: Tensor, k: int) -> list[int]:
    """Matching to the mean."""
    return plain_matching(x, x.mean(0), k)


def plain_k_center(x: Tensor, k: int) -> list[int]:
    """Farthest row from all picks, the first being nearest to the mean."""
    norms = (x * x).sum(1)
    rows = [int((x - x.mean(0)).norm(dim=1).argmin())]
    nearest = torch.full((len(x),), torch.inf)
    for _ in range(k - 1):
        last = rows[-1]
        nearest = torch.minimum(nearest, norms + norms[last] - 2 * (x @ x[last]))
        rows.append(int(nearest.argmax()))
    return rows


def inside_classes(
    loop: Callable[[Tensor, int], list[int]],
    array: NDArray[np.float32],
    codes: NDArray[np.int64],
    share: float,
) -> list[int]:
    """A loop in each class, one after another, for a share of its rows."""
    chosen: list[int] = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        picks = loop(torch.from_numpy(array[rows]), max(1, round(share * len(rows))))
        chosen += rows[picks].tolist()
    return chosen


LOOPS = {"gm": plain_gm, "herding": plain_herding, "k-center": plain_k_center}
