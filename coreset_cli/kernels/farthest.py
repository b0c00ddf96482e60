"""Farthest-first traversal."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.comm import Candidate
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS, Rounded, value

__all__ = ["farthest_first"]


def farthest_first(
    points: Fixed,
    k: int,
    first: Candidate,
    progress: Callable[[int, int], None],
) -> tuple[list[int], NDArray[np.float64]]:
    """Pick, k times, the point farthest from all picks so far.

    The covering radius after every pick is at most twice the least possible. A point is read only
    where the new pick may be nearer to it than its nearest pick is: by the triangle inequality it
    is not if the two picks are twice as far apart.

    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
    Computer Science 38, 1985; the bound, Elkan, "Using the triangle inequality to accelerate
    k-means", ICML 2003, lemma 1.

    Args:
        points: the cloud.
        k: points to pick.
        first: the first pick.
        progress: called with picks done and in all.

    Returns:
        The row numbers in the order picked, and the distance of each to the picks before it (∞ for
        the first).
    """
    d = points.rows.values.shape[1]
    nearest = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)
    owner = torch.zeros(len(points), dtype=torch.int32, device=points.device)
    picked = Rounded.empty(k, d, points.device)
    places: list[int] = []
    radii: list[float] = []
    pick = first
    while True:
        done = len(places)
        places.append(pick.place)
        radii.append(math.inf if done == 0 else math.sqrt(pick.score))
        progress(len(places), k)
        if len(places) == k:
            return places, np.array(radii) / 2.0**points.grid.step
        point = picked.take(slice(done, done + 1))
        point.values[0] = torch.from_numpy(pick.values)
        point.lifts[0], point.squares[0], point.rank[0] = pick.lift, pick.square, pick.rank
        nearest[points.rows.rank == pick.rank] = -torch.inf
        spacing = _spacing(points, picked.take(slice(done + 1)), point)
        row = points.points.loops.cover(points.rows, nearest, owner, point, spacing)
        pick = points.best(row, value(nearest, row))


def _spacing(points: Fixed, picked: Rounded, point: Rounded) -> Float64[Tensor, " t"]:
    """Squared distances of a pick to all picks so far, itself the last."""
    power = POWERS[point.lifts.long().cpu()].to(points.device)
    powers = POWERS.to(points.device)[picked.lifts.long()]
    product = points.points.loops.products(picked, point.values[0].double())
    return powers**2 * picked.squares + power**2 * point.squares - 2 * power * product
