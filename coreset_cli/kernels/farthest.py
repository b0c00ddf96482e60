"""Farthest-first traversal."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import squared_distances, squared_norms
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
    norms = squared_norms(points)
    nearest = torch.full((points.n,), torch.inf, dtype=torch.float64, device=points.device)
    picks: list[int] = []
    radii: list[float] = []
    row = first
    for step in range(k):
        picks.append(row)
        radii.append(float(nearest[row]) ** 0.5)
        progress(step + 1, k)
        if step + 1 == k:
            break
        point = points.rows(torch.tensor([row]))[0]
        squared = squared_distances(points, norms, point)
        nearest = torch.minimum(nearest, squared)
        nearest[row] = -torch.inf
        top = int(nearest.argmax())
        row = points.best(nearest, float(TIE * (norms[top] + norms[row])))
    return picks, torch.tensor(radii, dtype=torch.float64)
