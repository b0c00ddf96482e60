"""Spherical k-means: clusters of directions."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.distance import distances_to
from coreset_cli.kernels.fixed import Fixed, dot, norm
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.loops import POWERS
from coreset_cli.kernels.pairs import squares_to
from coreset_cli.kernels.points import TIE, Points
from coreset_cli.seeds import Rng, derived_seed

__all__ = [
    "CENTRES_HELD",
    "MOST_ROUNDS",
    "Clusters",
    "best_of_starts",
    "divergences",
    "spherical_kmeans",
]

CENTRES_HELD = 32
"""Rounded rows that take as much memory as a centre: old and new ones, sums, and their lists."""

MOST_ROUNDS = 100
"""Rounds of assigning at most."""

CENTRE_BITS = 36
"""A centre, of length 1, is rounded to so many bits: its products with rows are exact."""

WEIGHT_BITS = 30
"""Bits of the largest weight when a start is drawn: 2³³ of them are summed exactly."""

BLOCK_VALUES = 1 << 19
"""Products of rows and centres, or values of rows, at a time."""


@dataclass(frozen=True)
class Clusters:
    """Rows by the centre they are nearest to in angle.

    Args:
        codes: [n] cluster of each row.
        centres: [c d] at length 1; zero where rows have no direction.
        rounds: of assigning.
        converged: the last round changed nothing.
    """

    codes: Int64[Tensor, " n"]
    centres: Float64[Tensor, "c d"]
    rounds: int
    converged: bool


def spherical_kmeans(
    points: Fixed, count: int, rng: Rng, *, most_rounds: int = MOST_ROUNDS
) -> Clusters:
    """Divide rows at length 1 into clusters, so that the sum of cosines to the centres is large.

    Lloyd's rounds from a k-means++ start: each row goes to the centre of largest cosine, ties to
    the lower cluster; each centre becomes the direction of its rows' sum, or stays where the sum
    has none. A cluster that is left empty takes the row of least cosine to its own centre. Centres
    are rounded to 36 bits, so every cosine is an exact inner product plus one rounded constant.

    Source: Dhillon & Modha, "Concept decompositions for large sparse text data using clustering",
    Machine Learning 42, 2001; Arthur & Vassilvitskii, "k-means++", SODA 2007.

    Args:
        points: rows at length 1, on a grid.
        count: clusters, at most n.
        rng: draws the start.
        most_rounds: of assigning.
    """
    centres = _start(points, count, rng)
    codes = torch.full((len(points),), -1, dtype=torch.int64, device=points.device)
    for number in range(1, most_rounds + 1):
        found, cosines = _assigned(points, centres)
        found = _refilled(points, found, cosines, count)
        if torch.equal(found, codes):
            return Clusters(codes, centres, number, converged=True)
        codes = found
        centres = _centres(points, codes, centres)
    return Clusters(codes, centres, most_rounds, converged=False)


def best_of_starts(
    points: Fixed,
    count: int,
    rng: Rng,
    *,
    starts: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Clusters:
    """Of the clusters from several starts, those with the largest sum of cosines to the centres.

    Args:
        points: rows at length 1, on a grid.
        count: clusters, at most n.
        rng: draws the starts.
        starts: how many; of equal ones the first wins.
        progress: told the starts done and in all.
    """
    best, largest = None, -math.inf
    for number in range(starts):
        start = derived_seed(rng.seed, f"k-means, start {number}")
        found = spherical_kmeans(points, count, Rng(start))
        cosines = math.fsum(_assigned(points, found.centres)[1].tolist())
        if best is None or cosines > largest:
            best, largest = found, cosines
        progress(number + 1, starts)
    assert best is not None
    return best


def divergences(points: Points, clusters: Clusters) -> Float64[Tensor, " n"]:
    """1 − cosine of each row to the centre of its cluster, from the values as stored.

    The two rows of a pair are as far from the direction between them; a zero row is at 1.

    Args:
        points: rows at length 1.
        clusters: of these rows; centres are taken anew from the values.
    """
    found = torch.empty(points.n, dtype=torch.float64, device=points.device)
    groups = members(clusters.codes.cpu().numpy(), len(clusters.centres))
    for rows, old in zip(groups, clusters.centres, strict=True):
        if len(rows):
            found[torch.from_numpy(rows).to(found.device)] = _divergences(points.subset(rows), old)
    return found


def _divergences(cloud: Points, old: Float64[Tensor, " d"]) -> Float64[Tensor, " n"]:
    centre = mean(cloud)
    size = norm(centre)
    no_direction = cloud.each(lambda block: (~block.any(1)).double()) > 0
    if cloud.n == 2 and size > TIE and not no_direction.any():
        first, second = cloud.rows(torch.arange(2))
        half = float(cloud.loops.norms((first - second)[None] / 2)[0]) ** 2
        away = half / (1 + math.sqrt(max(0.0, 1 - half)))
        return torch.full((2,), away, dtype=torch.float64, device=cloud.device)
    centre = centre / size if size > TIE else old
    found = distances_to(cloud, centre).square() / 2
    found[found <= TIE * TIE] = 0.0
    found[no_direction] = 1.0
    return found


def _start(points: Fixed, count: int, rng: Rng) -> Float64[Tensor, "c d"]:
    """k-means++: rows drawn by their squared distance to those drawn before, so 1 − cosine.

    A draw runs through the rows in the order of their ids: whole numbers, exact in any order.
    """
    by_rank = points.rows.rank.argsort()
    smallest = points.points.key.take(by_rank[:1].cpu().numpy())
    row = int(by_rank[0] if count == 1 else rng.shuffled("k-means", points.points.key)[0])
    unused = torch.ones(len(points), dtype=torch.bool, device=points.device)
    nearest = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)
    drawn: list[int] = []
    while True:
        drawn.append(row)
        unused[row] = False
        if len(drawn) == count:
            break
        nearest = torch.minimum(nearest, squares_to(points, row))
        nearest[row] = 0.0
        largest = float(nearest.max())
        if largest == 0:
            row = int(by_rank[unused[by_rank].nonzero()[0]])
            continue
        fine = nearest[by_rank] * 2.0 ** (WEIGHT_BITS - math.frexp(largest)[1])
        upto = torch.floor(fine).long().cumsum(0)
        word = int(rng.draws(f"k-means {len(drawn)}", smallest)[0])
        at = torch.searchsorted(upto, (word * int(upto[-1])) >> 64, right=True)
        row = int(by_rank[at])
    index = torch.tensor(drawn, device=points.device)
    chosen = points.rows.take(index)
    values = chosen.values.to(points.device).double() * points.powers[index][:, None]
    return torch.stack([_direction(points, row) for row in values])


def _assigned(
    points: Fixed, centres: Float64[Tensor, "c d"]
) -> tuple[Int64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Cluster of largest cosine of each row, and the cosine."""
    whole = torch.round(centres * 2.0**CENTRE_BITS)
    offset = torch.tensor([dot(row, points.grid.origin) for row in whole], dtype=torch.float64)
    offset = offset.to(points.device) * 2.0**points.grid.step
    codes = torch.empty(len(points), dtype=torch.int64, device=points.device)
    cosines = torch.empty(len(points), dtype=torch.float64, device=points.device)
    powers = points.powers
    step = max(1, BLOCK_VALUES // max(whole.shape))
    for start in range(0, len(points), step):
        which = slice(start, start + step)
        block = points.rows.values[which].to(points.device).double() @ whole.T
        block.mul_(powers[which, None]).add_(offset)
        cosines[which], codes[which] = block.max(1)
    return codes, cosines / 2.0 ** (points.grid.step + CENTRE_BITS)


def _refilled(
    points: Fixed, codes: Int64[Tensor, " n"], cosines: Float64[Tensor, " n"], count: int
) -> Int64[Tensor, " n"]:
    """The same, a row of least cosine given to every empty cluster, none emptied by that."""
    sizes = torch.bincount(codes, minlength=count).tolist()
    empty = [cluster for cluster, size in enumerate(sizes) if size == 0]
    if not empty:
        return codes
    rank = points.rows.rank.cpu().numpy()
    order = iter(np.lexsort((rank, cosines.cpu().numpy())).tolist())
    for cluster in empty:
        row = next(row for row in order if sizes[int(codes[row])] > 1)
        sizes[int(codes[row])] -= 1
        codes[row] = cluster
    return codes


def _centres(
    points: Fixed, codes: Int64[Tensor, " n"], old: Float64[Tensor, "c d"]
) -> Float64[Tensor, "c d"]:
    """Direction of the sum of each cluster's rows; the old centre where it is only rounding."""
    count, d = old.shape
    sums = torch.zeros(count, d, dtype=torch.float64, device=points.device)
    for lift in points.rows.lifts.unique().tolist():
        part = torch.zeros(count, d, dtype=torch.int64, device=points.device)
        alike = (points.rows.lifts == lift).nonzero().squeeze(1)
        for rows in alike.split(max(1, BLOCK_VALUES // d)):
            values = points.rows.values[rows.to(points.rows.values.device)]
            part.index_add_(0, codes[rows], values.to(points.device).long())
        sums += float(POWERS[lift]) * part.double()
    sizes = torch.bincount(codes, minlength=count)
    found = [_direction(points, row) for row in sums / sizes[:, None]]
    return torch.stack([new if new.any() else was for new, was in zip(found, old, strict=True)])


def _direction(points: Fixed, inside: Float64[Tensor, " d"]) -> Float64[Tensor, " d"]:
    """A mean of rows, in grid units, at length 1; zero where it may be rounding alone."""
    vector = points.grid.outside(inside)
    size, rounding = norm(vector), math.sqrt(len(vector)) * 2.0 ** -(points.grid.step + 1)
    return vector / size if size > max(rounding, TIE) else torch.zeros_like(vector)
