"""Linear discriminant analysis of rows by models that have not seen them.

All that the models need are sums over the rows, so they are read a few times and never held.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.sample import sampled
from coreset_cli.seeds import Key, mix64

__all__ = ["CLASS_BYTES", "HELD_AXES", "HeldOut", "axes_for", "held_out_models"]

FOLDS = 4
"""Parts of the rows; each is judged by a model of the others."""

AXES = 256
"""Directions that the models see, at most: those of largest variance."""

ROWS_PER_AXIS = 10
"""Rows for each of them, at least."""

MORE, ROUNDS = 8, 3
"""Directions beside, and rounds, of subspace iteration."""

SAMPLE_ROWS = 20_000
"""Rows, chosen by id hash, that the directions are sought in: some 80 for each."""

LOGIT_VALUES = 1 << 18
"""Logits of a block, at most: with what is made of them they stay in the cache."""

HELD_AXES = 20
"""Vectors held for each direction, of 2 bytes a value: five sets in double precision."""

CLASS_BYTES = 4 * FOLDS * AXES * 8
"""Bytes of a class at most: sums, slopes, and once more while either is made."""

LEAST_SHARE = 1e-9
"""Share of a class that a model has not seen: it is hardly ever claimed."""

LEAST_LEVEL = 1e-6
"""Variance in all directions beside, relative to that of all rows: classes may have none inside."""

SHRINKAGE = 0.1
"""Part of the covariance inside classes that is replaced by the same variance in all directions."""


@dataclass(frozen=True)
class HeldOut:
    """A model for each fold, of the rows of all others.

    Args:
        origin: [d] what rows are taken from.
        axes: [d, r] directions that are seen.
        slopes: [f, r, c] of the log-probabilities.
        offsets: [f, c].
    """

    origin: Float[Tensor, " d"]
    axes: Float[Tensor, "d r"]
    slopes: Float[Tensor, "f r c"]
    offsets: Float[Tensor, "f c"]

    def logits(
        self, points: Points, fold: NDArray[np.int64]
    ) -> Iterator[tuple[int, Float[Tensor, "b c"]]]:
        """First row and logits of each block, by the model of each row's fold.

        Args:
            points: n rows.
            fold: [n] of each row.
        """
        folds = torch.from_numpy(fold).to(self.axes.device)
        step = max(1, LOGIT_VALUES // self.offsets.shape[1])
        for first, block in points.blocks():
            seen = (block - self.origin) @ self.axes
            for start in range(0, len(seen), step):
                some = seen[start : start + step]
                mine = folds[first + start : first + start + len(some)]
                found = some.new_empty(len(some), self.offsets.shape[1])
                for number in range(FOLDS):
                    here = mine == number
                    found[here] = some[here] @ self.slopes[number] + self.offsets[number]
                yield first + start, found


def held_out_models(
    points: Points, codes: NDArray[np.int64], c: int, use: NDArray[np.bool_]
) -> tuple[HeldOut, NDArray[np.int64]]:
    """Fit the models.

    Source: Friedman, "Regularized discriminant analysis", JASA 84, 1989 (λ = 0, γ = 0.1); axes by
    Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 53, 2011, algorithm
    4.4, from fixed directions.

    Args:
        points: n rows.
        codes: [n] class of each.
        c: classes.
        use: [n] rows that models are made of.

    Returns:
        The models, and the [n] folds of the rows: of every class the same number, by id hash.
    """
    fold = _folds(codes, points.key)
    chosen = np.flatnonzero(use)
    part = points.subset(chosen)
    origin = mean(part)
    few = part.subset(sampled(part.key, SAMPLE_ROWS))
    axes = _leading(few, origin, min(axes_for(len(chosen)), points.d))
    moments = _moments(part, origin, axes, codes[chosen], fold[chosen], c)
    models = [_model(*(sums.sum(0) - sums[number] for sums in moments)) for number in range(FOLDS)]
    slopes, offsets = (torch.stack(list(parts)) for parts in zip(*models, strict=True))
    return HeldOut(origin, axes, slopes, offsets), fold


def axes_for(n: int) -> int:
    """Directions that models of n rows see, at most."""
    return min(AXES, max(1, n // ROWS_PER_AXIS))


def _folds(codes: NDArray[np.int64], key: Key) -> NDArray[np.int64]:
    order = np.lexsort((key.rank, key.hash, codes))
    starts = np.searchsorted(codes[order], codes[order])
    fold = np.empty(len(codes), np.int64)
    fold[order] = (np.arange(len(codes)) - starts) % FOLDS
    return fold


def _leading(points: Points, origin: Float[Tensor, " d"], r: int) -> Float[Tensor, "d r"]:
    """Directions of largest variance, nearly."""
    width = min(points.d, r + MORE)
    words = mix64(np.arange(points.d * width, dtype=np.uint64))
    start = torch.from_numpy(words.astype(np.float64)).view(points.d, width) / 2**63 - 1
    axes = torch.linalg.qr(start.to(points.device))[0]
    if width == points.d:
        return axes

    for _ in range(ROUNDS):
        image = torch.zeros_like(axes)
        for _, block in points.blocks():
            seen = block - origin
            image.addmm_(seen.T, seen @ axes)
        axes = torch.linalg.qr(image)[0]
    return axes[:, :r]


def _moments(
    points: Points,
    origin: Float[Tensor, " d"],
    axes: Float[Tensor, "d r"],
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
    c: int,
) -> tuple[Float[Tensor, "f r r"], Float[Tensor, "f c r"], Int64[Tensor, "f c"]]:
    """Second moments, sums and sizes of the classes, of each fold."""
    r = axes.shape[1]
    squares = axes.new_zeros(FOLDS, r, r)
    sums = axes.new_zeros(FOLDS * c, r)
    place = torch.from_numpy(fold * c + codes).to(axes.device)
    folds = torch.from_numpy(fold).to(axes.device)
    for start, block in points.blocks():
        which = slice(start, start + len(block))
        seen = (block - origin) @ axes
        sums.index_add_(0, place[which], seen)
        for number in range(FOLDS):
            mine = seen[folds[which] == number]
            squares[number] += mine.T @ mine
    sizes = torch.bincount(place, minlength=FOLDS * c).view(FOLDS, c)
    return squares, sums.view(FOLDS, c, r), sizes


def _model(
    squares: Float[Tensor, "r r"], sums: Float[Tensor, "c r"], sizes: Int64[Tensor, " c"]
) -> tuple[Float[Tensor, "r c"], Float[Tensor, " c"]]:
    """Slopes and offsets of the log-probabilities, up to what all classes share."""
    n, r = int(sizes.sum()), len(squares)
    means = sums / sizes.clamp(min=1)[:, None]
    inside = (squares - means.T @ sums) / max(1, n)
    level = SHRINKAGE * inside.trace() / r + LEAST_LEVEL * squares.trace() / max(1, n * r)
    even = torch.eye(r, dtype=inside.dtype, device=inside.device)
    inside = (1 - SHRINKAGE) * inside + torch.where(level > 0, level, 1.0) * even
    slopes = torch.linalg.solve(inside, means.T)
    shares = (sizes.double() / max(1, n)).clamp(min=LEAST_SHARE)
    return slopes, torch.log(shares) - (means.T * slopes).sum(0) / 2
