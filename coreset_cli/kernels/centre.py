"""Centres of a cloud of points: mean, coordinate-wise median, geometric median."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import distances_to
from coreset_cli.kernels.points import TIE, Points

__all__ = ["GeometricMedian", "coordinate_median", "geometric_median", "mean"]

START_ROWS = 4096
"""Rows, chosen by id hash, whose coordinate-wise median starts the geometric median."""


def mean(points: Points) -> Float[Tensor, " d"]:
    """Arithmetic mean."""
    return points.total(lambda start, block: block.sum(0)) / points.n


def coordinate_median(points: Points) -> Float[Tensor, " d"]:
    """Median of each coordinate; the mean of the middle two where n is even.

    Reads the points once for every so many coordinates that fit into 64 MB.
    """
    width = max(1, min(points.d, (64 << 20) // (8 * points.n)))
    parts = []
    for first in range(0, points.d, width):
        columns = torch.cat([block[:, first : first + width] for _, block in points.blocks()])
        parts.append(_median(columns))
    return torch.cat(parts)


@dataclass(frozen=True)
class GeometricMedian:
    """Where the sum of distances is least.

    Args:
        point: [d] the median.
        objective: mean distance of the points to it.
        iterations: steps taken.
        converged: the last step was below the tolerance, or the point is provably the median.
    """

    point: Float[Tensor, " d"]
    objective: float
    iterations: int
    converged: bool


def geometric_median(
    points: Points,
    *,
    start: Float[Tensor, " d"] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> GeometricMedian:
    """The point with the least sum of distances to all points; it stands until half are corrupted.

    Weiszfeld's iteration with the correction for iterates that meet a data point. The start is
    the coordinate-wise median of 4,096 rows chosen by id hash, and the result is never worse than
    the data point nearest to it.

    Source: Weiszfeld, Tohoku Math. J. 43, 1937; Vardi & Zhang, "The multivariate L1-median and
    associated data depth", PNAS 97(4), 2000, eq. 2.6.

    Args:
        points: the cloud.
        start: [d] first iterate.
        tolerance: step, relative to the median distance to the start, at which to stop.
        max_iterations: steps at most.
    """
    centre = _start(points) if start is None else start.to(points.device).double()
    distance = distances_to(points, centre)
    scale = float(_median(distance.unsqueeze(1)))
    near = 1e-12 * scale
    iterations, converged = 0, False
    while iterations < max_iterations and not converged:
        iterations += 1
        here = distance <= near
        touching = int(here.sum())
        if touching == points.n:
            converged = True
            break
        weight = torch.where(here, 0.0, 1.0 / torch.where(here, 1.0, distance))
        pulled = _weighted_sum(points, weight)
        total = weight.sum()
        moved = pulled / total
        if touching:
            pull = float((pulled - total * centre).norm())
            if pull <= touching:
                converged = True
                break
            share = touching / pull
            moved = (1 - share) * moved + share * centre
        step = float((moved - centre).norm())
        centre = moved
        distance = distances_to(points, centre)
        converged = step <= tolerance * scale
    nearest = points.rows(torch.tensor([points.best(-distance, TIE * scale)]))[0]
    at_nearest = distances_to(points, nearest)
    if at_nearest.sum() <= distance.sum():
        centre, distance = nearest, at_nearest
    return GeometricMedian(centre, float(distance.mean()), iterations, converged)


def _start(points: Points) -> Float[Tensor, " d"]:
    order = points.key.hash.argsort(kind="stable")[:START_ROWS]
    order.sort()
    return _median(points.rows(torch.from_numpy(order)))


def _median(values: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    ordered = values.sort(0).values
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def _weighted_sum(points: Points, weight: Float[Tensor, " n"]) -> Float[Tensor, " d"]:
    return points.total(lambda start, block: weight[start : start + len(block)] @ block)
