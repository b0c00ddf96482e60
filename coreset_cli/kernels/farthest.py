"""Farthest-first traversal."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import distances_to, squared_norms
from coreset_cli.kernels.points import TIE, Points

__all__ = ["farthest_first"]


def farthest_first(
    points: Points,
    k: int,
    first: int,
    progress: Callable[[int, int], None],
) -> tuple[list[int], Float[Tensor, " k"]]:
    """Pick, k times, the point farthest from all picks so far.

    The covering radius after every pick is at most twice the least possible.

    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
    Computer Science 38, 1985.

    Args:
        points: the cloud.
        k: points to pick.
        first: row of the first pick.
        progress: called with picks done and in all.

    Returns:
        The rows in the order picked, and the distance of each to the picks before it (∞ for the
        first).
    """
    norms = squared_norms(points).sqrt()
    nearest = torch.full_like(norms, torch.inf)
    picks: list[int] = []
    radii: list[float] = []
    row = first
    while True:
        picks.append(row)
        radii.append(float(nearest[row]))
        progress(len(picks), k)
        if len(picks) == k:
            return picks, torch.tensor(radii, dtype=torch.float64)
        point = points.rows(torch.tensor([row]))[0]
        nearest = torch.minimum(nearest, distances_to(points, point))
        nearest[row] = -torch.inf
        top = int(nearest.argmax())
        row = points.best(nearest, float(TIE * (norms[top] + nearest[top])))
