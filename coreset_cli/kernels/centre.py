"""The geometric median."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.comm import Candidate
from coreset_cli.kernels.fixed import USUAL_BITS, Fixed, dot, norm
from coreset_cli.kernels.loops import EXCESS_BITS, FORCE_BITS, LIMB_BITS

__all__ = ["NOT_CONVERGED", "GeometricMedian", "geometric_median", "nearest_to"]

NOT_CONVERGED = "the geometric median did not converge; it is the best point found"
"""What to tell the user where `converged` is false."""

POINT_BITS = 14
"""Fraction bits of an iterate, in grid units."""

VECTOR_BITS = 29
"""Norm of an iterate in units of its last bit."""

FAR = 16
"""Usual distances that an iterate may be from the origin before the grid is laid about it."""


@dataclass(frozen=True)
class GeometricMedian:
    """Where the sum of distances is least.

    Args:
        point: [d] the median.
        objective: mean distance of the points, as rounded to the grid, to it.
        scale: usual distance of the points to the start; what rounding is measured by.
        iterations: passes over the points.
        converged: the last step was below the tolerance, or the point is provably the median.
    """

    point: Float[Tensor, " d"]
    objective: float
    scale: float
    iterations: int
    converged: bool


def geometric_median(
    points: Fixed,
    *,
    start: Float[Tensor, " d"] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> GeometricMedian:
    """The point with the least sum of distances to all points; it stands until half are corrupted.

    Weiszfeld's iteration with the correction for iterates that meet a data point, from the origin
    of the grid, a coordinate-wise median. Every step is extrapolated from the two before it
    (Anderson's acceleration of depth 1, Aitken's Δ² for vectors); where that does not lower the
    objective, Weiszfeld's own step is taken, which never raises it. The result is never worse than
    the data point nearest to it. One pass over the points an iteration, two to end.

    Source: Weiszfeld, Tohoku Math. J. 43, 1937; Vardi & Zhang, "The multivariate L1-median and
    associated data depth", PNAS 97(4), 2000, eq. 2.6; Anderson, "Iterative procedures for nonlinear
    integral equations", J. ACM 12, 1965.

    Args:
        points: the cloud.
        start: [d] first iterate; the origin of the grid where not given.
        tolerance: step, relative to the usual distance to the start, at which to stop.
        max_iterations: passes at most.
    """
    scale = points.grid.usual
    centre, last = points.grid.inside(points.grid.origin if start is None else start), None
    iterations, converged = 0, False
    while iterations < max_iterations and not converged:
        iterations += 1
        here = _stand(points, centre)
        if last is not None and here.excess > last.excess:
            converged = last.plain  # only rounding is left
            centre, last = last.centre + last.step, replace(last, plain=True)
            continue
        centre = here.centre + here.step
        if norm(here.step) <= tolerance * scale * 2.0**points.grid.step:
            converged = True
        elif norm(centre) > FAR * 2**USUAL_BITS:
            points = points.around(points.grid.outside(centre))
            centre, last = torch.zeros_like(centre), None
        else:
            centre, last = _extrapolated(last, here), here
    if not converged and last is not None:
        centre = last.centre + last.step
    end = _stand(points, centre)
    row = _stand(points, points.row(end.nearest))
    rounding = points.n * math.ldexp(1.0, -POINT_BITS - EXCESS_BITS)
    at_row = row.excess <= end.excess + rounding
    point = points.stored_row(end.nearest) if at_row else points.grid.outside(end.centre)
    total = points.total_norm() + min(row.excess, end.excess)
    return GeometricMedian(
        point=point,
        objective=max(0.0, total) / points.n / 2.0**points.grid.step,
        scale=scale,
        iterations=iterations,
        converged=converged,
    )


def nearest_to(points: Fixed, centre: Float[Tensor, " d"]) -> Candidate:
    """The point nearest to a place in grid units; of equally near ones the smallest id."""
    return _stand(points, centre).nearest


@dataclass(frozen=True)
class _Stand:
    """What is known at an iterate.

    Args:
        centre: [d] the iterate.
        step: [d] what Weiszfeld's iteration adds to it.
        excess: Σ (‖y − centre‖ − ‖y‖).
        nearest: the point nearest to it.
        plain: the step itself is being tried, not an extrapolation.
    """

    centre: Float[Tensor, " d"]
    step: Float[Tensor, " d"]
    excess: float
    nearest: Candidate
    plain: bool


def _stand(points: Fixed, centre: Float[Tensor, " d"]) -> _Stand:
    bits = min(POINT_BITS, VECTOR_BITS - int(np.frexp(norm(centre))[1]))
    vector = torch.round(centre * 2.0**bits)
    centre = vector / 2.0**bits
    found = points.points.loops.forces(points.rows, vector, bits)
    sums = torch.from_numpy(points.points.comm.sum(found.sums)).to(centre)
    counts = points.points.comm.sum(found.counts).tolist()
    heavy, upper, lower, touching, further, excess = counts
    pull = sums[0] * 2.0**LIMB_BITS + sums[1] - heavy * centre + sums[2]
    strength = norm(pull) / 2.0**FORCE_BITS
    weight = heavy + (upper << LIMB_BITS) + lower
    step = torch.zeros_like(pull)
    if weight and strength > touching:
        step = (1 - touching / strength) / weight * pull
    return _Stand(
        centre=centre,
        step=step,
        excess=math.ldexp(float((further << LIMB_BITS) + excess), -bits - EXCESS_BITS),
        nearest=points.best(found.row, -math.ldexp(found.distance, -bits)),
        plain=False,
    )


def _extrapolated(last: _Stand | None, here: _Stand) -> Float[Tensor, " d"]:
    """Where two steps point to; the plain step where there is only one."""
    plain = here.centre + here.step
    if last is None:
        return plain
    change = here.step - last.step
    along = dot(change, change)
    if along == 0:
        return plain
    return plain - dot(change, here.step) / along * (here.centre - last.centre + change)
