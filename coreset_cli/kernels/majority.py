"""Rows that belong to the majority, and rows that nothing claims.

A centre for which half of the rows lie within the least radius is near the middle of the larger
group, however the smaller one lies: a far group, even of nearly half of the rows, can pull the
geometric median some way, but no ball around it holds half of the rows as tightly. Distances below
the median are those of good rows, so they say how far good rows reach.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.distance import distances_to
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.points import TIE, Points
from coreset_cli.kernels.sample import sampled

__all__ = ["claimed_by_all", "claimed_by_class", "majority_centre"]

SAMPLE_ROWS = 10_000
"""Rows, chosen by id hash, that a centre is sought for, at most."""

SAMPLE_VALUES = 1 << 22
"""Values of these rows, at most: they are held in double precision."""

STARTS = 8
"""Rows whose nearest half gives a centre: all of them are bad once in 600 times at 45 %."""

FEW = 20
"""Fewer rows have no majority of their own."""

LOW, HALF = 0.1, 0.5
"""Quantiles of the distances that say how far good rows reach."""

ERRORS = 4.0
"""Standard errors by which a class exceeds the share of far rows in all before it is let off."""


def claimed_by_all(
    points: Points, codes: NDArray[np.int64] | None, use: Bool[np.ndarray, " n"], reach: float
) -> Bool[np.ndarray, " n"]:
    """Which rows are within reach of the majority of all that are used.

    A class that lies apart as a whole is a class and no corruption: where more than half of its
    rows are far, and more by four standard errors than of all rows, they are not held against it.

    Args:
        points: n rows.
        codes: [n] class of each, where there are classes.
        use: [n] rows that a majority is made of.
        reach: how far a row may be, from the median distance, in units of the gap between the
            tenth and the fiftieth percentile of the distances.
    """
    near = _within(points, use, reach)
    if codes is None:
        return near
    share = 1 - near.mean()
    for rows in _classes(codes):
        far = 1 - near[rows].mean()
        error = np.sqrt(share * (1 - share) / len(rows))
        if far > HALF and far > share + ERRORS * error:
            near[rows] = True
    return near


def claimed_by_class(
    points: Points,
    codes: NDArray[np.int64],
    near: Bool[np.ndarray, " n"],
    use: Bool[np.ndarray, " n"],
    reach: float,
) -> Bool[np.ndarray, " n"]:
    """Which of the rows near to all are within reach of the majority of their class too.

    Args:
        points: n rows.
        codes: [n] class of each.
        near: [n] rows that the majority of all rows claims.
        use: [n] rows that a majority is made of.
        reach: see `claimed_by_all`.
    """
    found = np.zeros(points.n, np.bool_)
    for rows in _classes(codes):
        mine = rows[near[rows]]
        if len(mine):
            found[mine] = _within(points.subset(mine), use[mine], reach)
    return found


def majority_centre(points: Points) -> tuple[Float[Tensor, " d"], NDArray[np.float64]]:
    """The centre about which half of the rows lie within the least radius, of some centres tried.

    Tried are the geometric median and, for some rows, the mean of the half of all rows that is
    nearest to each. The rows are held in memory.

    Source: Rousseeuw, "Least median of squares regression", JASA 79, 1984 (location by the shortest
    half), with the concentration step of Rousseeuw & Van Driessen, "A fast algorithm for the
    minimum covariance determinant estimator", Technometrics 41, 1999.

    Returns:
        The centre, and the distances of the rows to it.
    """
    median = geometric_median(fixed(points)).point
    rows = torch.empty(points.n, points.d, dtype=median.dtype, device=median.device)
    for start, block in points.blocks():
        torch.sub(block, median, out=rows[start : start + len(block)])
    starts = rows[torch.from_numpy(sampled(points.key, STARTS)).to(rows.device)]
    nearest = _distances(rows, starts).argsort(dim=0, stable=True)[: points.n // 2 + 1]
    halves = torch.zeros(points.n, len(starts), dtype=rows.dtype, device=rows.device)
    halves.scatter_(0, nearest, 1.0 / len(nearest))
    centres = torch.cat([torch.zeros_like(median)[None], halves.T @ rows])
    distances = _distances(rows, centres)
    best = int(distances.quantile(HALF, 0).argmin())
    return median + centres[best], distances[:, best].cpu().numpy()


def _classes(codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows for rows in members(codes, int(codes.max()) + 1) if len(rows)]


def _within(points: Points, use: Bool[np.ndarray, " n"], reach: float) -> Bool[np.ndarray, " n"]:
    part = points.subset(np.flatnonzero(use))
    if part.n < FEW:
        return np.ones(points.n, np.bool_)
    few = max(FEW, min(SAMPLE_ROWS, SAMPLE_VALUES // points.d))
    centre, distances = majority_centre(part.subset(sampled(part.key, few)))
    low, half = np.quantile(distances, [LOW, HALF])
    limit = (half + reach * (half - low)) * (1 + TIE)
    return distances_to(points, centre).cpu().numpy() <= limit


def _distances(rows: Float[Tensor, "m d"], centres: Float[Tensor, "c d"]) -> Float[Tensor, "m c"]:
    """Of rows, laid about 0, to some centres among them."""
    squares = torch.linalg.vector_norm(rows, dim=1).square()[:, None] - 2 * (rows @ centres.T)
    return (squares + (centres**2).sum(1)).clamp(min=0).sqrt()
