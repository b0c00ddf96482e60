"""Distances of points to a centre."""

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.fixed import norm
from coreset_cli.kernels.points import TIE, Points

__all__ = ["distances_to", "separations"]


def distances_to(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """‖x − centre‖ of each point, from the differences: exact copies are at exactly 0."""
    return points.each(lambda block: points.loops.norms(block - centre))


def separations(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """Distances to a centre of these very points, for ranking; rounding must not rank them.

    The two points of a pair are equidistant from any centre of theirs, so both get half their
    separation; a point that differs from the centre by rounding alone is at 0.
    """
    if points.n == 2:
        first, second = points.rows(torch.arange(2))
        return points.loops.norms((first - second)[None] / 2).repeat(2)
    distance = distances_to(points, centre)
    return torch.where(distance <= TIE * norm(centre), 0.0, distance)
