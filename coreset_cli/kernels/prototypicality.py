"""How far each row lies from the centre of its class."""

import logging
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.centre import NOT_CONVERGED, geometric_median
from coreset_cli.kernels.coordinate import coordinate_median, mean
from coreset_cli.kernels.cost import Cost
from coreset_cli.kernels.distance import separations
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.points import Points

__all__ = ["COSTS", "Centre", "centre_distances"]

Centre = Literal["mean", "median", "gm"]
"""Mean, coordinate-wise median, or geometric median."""

STATE_BYTES = 48
"""Bytes a row beside the points: distances, and their order."""

COSTS = {
    "mean": Cost(reads=2.0, state=STATE_BYTES),
    "median": Cost(reads=3.0, state=STATE_BYTES),
    "gm": Cost(reads=2.0, passes=10.0, grids=1.0, state=STATE_BYTES),
}
"""What a centre and the distances to it usually take."""

_LOG = logging.getLogger(__name__)


def _geometric_median(points: Points) -> Float[Tensor, " d"]:
    found = geometric_median(fixed(points))
    if not found.converged:
        _LOG.warning(NOT_CONVERGED)
    return found.point


_CENTRES = {"mean": mean, "median": coordinate_median, "gm": _geometric_median}


def centre_distances(
    points: Points, centre: Centre, codes: NDArray[np.int64] | None = None
) -> Float[Tensor, " n"]:
    """Distance of each point to the centre of its class, or of all points.

    Args:
        points: the cloud.
        centre: which centre.
        codes: [n] class of each point; one centre for all where not given.
    """
    if codes is None:
        return separations(points, _CENTRES[centre](points))
    distances = torch.empty(points.n, dtype=torch.float64, device=points.device)
    for rows in filter(len, members(codes, int(codes.max()) + 1)):
        cloud = points.subset(rows)
        distances[torch.from_numpy(rows)] = separations(cloud, _CENTRES[centre](cloud))
    return distances
