"""Distances of points to a centre."""

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.points import TIE, Points

__all__ = ["distances_to", "separations", "squared_norms"]


def squared_norms(points: Points) -> Float[Tensor, " n"]:
    """‖x‖² of each point."""
    return points.each(lambda block: (block * block).sum(1))


def distances_to(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """‖x − centre‖ of each point, from the differences: exact copies are at exactly 0."""
    return points.each(lambda block: (block - centre).norm(dim=1))


def separations(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """Distances to a centre of these very points, for ranking; rounding must not rank them.

    The two points of a pair are equidistant from any centre of theirs, so both get half their
    separation; a point that differs from the centre by rounding alone is at 0.
    """
    if points.n == 2:
        first, second = points.rows(torch.arange(2))
        return ((first - second).norm() / 2).repeat(2)
    distance = distances_to(points, centre)
    return torch.where(distance <= TIE * centre.norm(), 0.0, distance)
