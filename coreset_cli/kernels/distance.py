"""Distances of points to a centre."""

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.points import TIE, Points

__all__ = ["distances_to", "separations", "squared_distances", "squared_norms"]


def squared_norms(points: Points) -> Float[Tensor, " n"]:
    """‖x‖² of each point."""
    return points.each(lambda block: (block * block).sum(1))


def distances_to(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """‖x − centre‖ of each point, from the differences: exact copies are at exactly 0."""
    return points.each(lambda block: (block - centre).norm(dim=1))


def separations(points: Points, centre: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    """Distances to a centre of these very points, for ranking.

    The two points of a pair are equidistant from any centre of theirs; rounding must not rank
    them, so both get half their separation.
    """
    if points.n == 2:
        first, second = points.rows(torch.arange(2))
        return ((first - second).norm() / 2).repeat(2)
    return distances_to(points, centre)


def squared_distances(
    points: Points,
    norms: Float[Tensor, " n"],
    other: Float[Tensor, " d"],
) -> Float[Tensor, " n"]:
    """‖x − other‖² of each point by one product, given ‖x‖²; 0 where rounding leaves no digit."""
    reach = norms + other @ other
    squared = reach - 2 * points.each(lambda block: block @ other)
    return torch.where(squared <= TIE * reach, 0.0, squared)
