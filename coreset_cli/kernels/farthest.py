"""Farthest-first traversal."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64, Int32
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels import ahead, batched
from coreset_cli.kernels.comm import Candidate
from coreset_cli.kernels.cuda import chain, classes
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS, Rounded, leader, value
from coreset_cli.kernels.memo import FORGETFUL, Memo
from coreset_cli.kernels.several import Several

__all__ = ["STATE_BYTES", "farthest_first"]

STATE_BYTES = 24
"""Bytes a row beside the points: how far its owner is and which it is, and what the grid needs."""


def farthest_first(
    points: Fixed,
    k: int,
    first: Candidate,
    progress: Callable[[int, int], None],
    memo: Memo = FORGETFUL,
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
        memo: where the picks and the distances to them are kept.

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
    kept = memo.recall()
    if kept is not None:
        places, radii = kept["picks"].tolist(), kept["radii"].tolist()
        nearest.copy_(torch.from_numpy(kept["nearest"]))
        owner.copy_(torch.from_numpy(kept["owner"]))
        for name, values in vars(picked.take(slice(len(places)))).items():
            values.copy_(torch.from_numpy(kept[name]))
        row = leader(nearest, points.rows.rank)
        pick = points.best(row, value(nearest, row))
    ways = (
        (classes, classes.holds),
        (chain, chain.holds),
        (ahead, ahead.reaches),
        (batched, batched.holds),
    )
    several: Several | None = next((way for way, holds in ways if holds(points)), None)
    if several is not None:
        ranks = torch.cat([picked.rank[: len(places)], torch.tensor([pick.rank]).to(picked.rank)])
        for batch, squares in several.cover(points, nearest, owner, ranks, k):
            done = len(places) + len(batch)
            for name, values in vars(picked.take(slice(len(places), done))).items():
                values.copy_(vars(points.rows)[name][batch])
            places += points.points.places[batch.cpu().numpy()].tolist()
            radii += np.sqrt(squares).tolist()
            progress(done, k)
            if memo.due() and done < k:
                _keep(memo, places, radii, nearest, owner, picked.take(slice(done)))
        return places, np.array(radii) / 2.0**points.grid.step
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
        if memo.due():
            _keep(memo, places, radii, nearest, owner, picked.take(slice(done + 1)))


def _keep(
    memo: Memo,
    places: list[int],
    radii: list[float],
    nearest: Float64[Tensor, " n"],
    owner: Int32[Tensor, " n"],
    picked: Rounded,
) -> None:
    now = {"nearest": nearest, "owner": owner, **vars(picked)}
    arrays = {name: values.cpu().numpy() for name, values in now.items()}
    memo.keep({"picks": np.array(places), "radii": np.array(radii), **arrays}, len(places))


def _spacing(points: Fixed, picked: Rounded, point: Rounded) -> Float64[Tensor, " t"]:
    """Squared distances of a pick to all picks so far, itself the last."""
    power = POWERS[point.lifts.long().cpu()].to(points.device)
    powers = POWERS.to(points.device)[picked.lifts.long()]
    product = points.points.loops.products(picked, point.values[0].double())
    return powers**2 * picked.squares + power**2 * point.squares - 2 * power * product
