"""Centres of a cloud of points: mean, coordinate-wise median, geometric median."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import distances_to
from coreset_cli.kernels.points import TIE, Points

__all__ = ["NOT_CONVERGED", "GeometricMedian", "coordinate_median", "geometric_median", "mean"]

START_ROWS = 4096
"""Rows, chosen by id hash, whose coordinate-wise median starts the geometric median."""

NOT_CONVERGED = "the geometric median did not converge; it is the best point found"
"""What to tell the user where `converged` is false."""

COLUMN_BYTES = 24 << 20
"""Bytes of whole columns that a coordinate-wise median holds at once."""

NEAR = 1e-12
"""A point this close to an iterate, relative to the scale of the data, touches it."""


def mean(points: Points) -> Float[Tensor, " d"]:
    """Arithmetic mean."""
    return points.total(lambda start, block: block.sum(0)) / points.n


def coordinate_median(points: Points) -> Float[Tensor, " d"]:
    """Median of each coordinate; the mean of the middle two where n is even.

    Reads the points once for every so many coordinates as fit into 24 MB, at least one.
    """
    width = max(1, min(points.d, COLUMN_BYTES // (8 * points.n)))
    middle = [(points.n - 1) // 2, points.n // 2]
    medians = np.empty(points.d)
    for first in range(0, points.d, width):
        wanted = slice(first, min(first + width, points.d))
        columns = np.empty((len(medians[wanted]), points.n))
        for start, block in points.blocks():
            columns[:, start : start + len(block)] = block[:, wanted].T.cpu().numpy()
        columns.partition(middle, axis=1)
        medians[wanted] = columns[:, middle].mean(axis=1)
    return torch.from_numpy(medians).to(points.device)


@dataclass(frozen=True)
class GeometricMedian:
    """Where the sum of distances is least.

    Args:
        point: [d] the median.
        objective: mean distance of the points to it.
        scale: median distance of the points to the start; what rounding is measured by.
        iterations: steps taken.
        converged: the last step was below the tolerance, or the point is provably the median.
    """

    point: Float[Tensor, " d"]
    objective: float
    scale: float
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
    centre = _robust_start(points) if start is None else start.to(points.device).double()
    scale = float(np.median(distances_to(points, centre).cpu().numpy()))
    iterations, converged = 0, False
    while iterations < max_iterations and not converged:
        iterations += 1
        pull, weight, touching = _forces(points, centre, near=NEAR * scale)
        strength = float(pull.norm())
        if strength <= touching:
            converged = True
        else:
            step = (1 - touching / strength) / weight * pull
            centre = centre + step
            converged = float(step.norm()) <= tolerance * scale
    distance = distances_to(points, centre)
    rounding = TIE * (scale + float(centre.norm()))
    nearest = points.rows(torch.tensor([points.best(-distance, rounding)]))[0]
    at_nearest = distances_to(points, nearest)
    if float(at_nearest.sum()) <= float(distance.sum()) * (1 + TIE):
        centre, distance = nearest, at_nearest
    return GeometricMedian(centre, float(distance.mean()), scale, iterations, converged)


def _robust_start(points: Points) -> Float[Tensor, " d"]:
    by_hash = np.lexsort((points.key.rank, points.key.hash))
    return coordinate_median(points.subset(np.sort(by_hash[:START_ROWS])))


def _forces(
    points: Points, centre: Float[Tensor, " d"], *, near: float
) -> tuple[Float[Tensor, " d"], float, int]:
    """What pulls at a centre: one unit vector towards each point that does not touch it.

    Returns:
        The sum of the unit vectors, the sum of 1/distance, and how many points touch.
    """
    pull = torch.zeros_like(centre)
    total, touching = 0.0, 0
    for _, block in points.blocks():
        away = block - centre
        distance = away.norm(dim=1)
        here = distance <= near
        weight = torch.where(here, 0.0, 1 / distance)
        pull += weight @ away
        total += float(weight.sum())
        touching += int(here.sum())
    return pull, total, touching
