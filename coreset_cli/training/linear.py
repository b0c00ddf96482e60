"""The linear model every selection is judged by.

Multinomial logistic regression with an L2 penalty on features standardised by all rows of the
training file, C chosen by cross-validation on the rows it trains on: one fixed C would over-fit
small or noisy selections, and the over-fitting would be mistaken for a result.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coreset_cli.io.matrix import Matrix
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key
from coreset_cli.training.folds import stratified_folds
from coreset_cli.training.recipe import LinearRecipe
from coreset_cli.training.softmax import FloatArray, Parts, Pulse, Softmax, minimise, unwatched

__all__ = ["Linear", "Scaling", "fit_linear", "fit_scaling", "predict", "training_memory"]

CONSTANT = 1e-12
"""A deviation this small beside the mean is rounding: the feature is constant."""

TOGETHER_BYTES = 256 << 20
"""Bytes of residuals up to which all training parts are fitted together."""


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of every feature.

    Args:
        centre: [d] means.
        spread: [d] deviations; 1 where a feature is constant.
    """

    centre: FloatArray
    spread: FloatArray

    def apply(self, rows: NDArray[np.generic]) -> FloatArray:
        """Standardise rows in float64."""
        scaled = rows.astype(np.float64)
        scaled -= self.centre
        scaled /= self.spread
        return scaled


@dataclass(frozen=True)
class Linear:
    """A trained model.

    Args:
        slopes: [d, c] of standardised features.
        offsets: [c].
        present: [c] classes it was trained on; the others are never predicted.
        cost: the C chosen, or the fixed one.
        converged: every fit ended below the tolerance.
    """

    slopes: FloatArray
    offsets: FloatArray
    present: NDArray[np.bool_]
    cost: float
    converged: bool

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """[n, c] class probabilities of standardised rows."""
        model = Softmax(self.slopes[:, None], self.offsets[None])
        return model.probabilities(rows, self.present[None])[:, 0]


def fit_scaling(points: Points) -> Scaling:
    """Statistics of all rows, in float64 and two passes."""
    centre = mean(points)
    squares = points.total(lambda start, block: ((block - centre) ** 2).sum(0)) / points.n
    middle, spread = centre.cpu().numpy(), np.sqrt(squares.cpu().numpy())
    return Scaling(middle, np.where(spread > CONSTANT * np.abs(middle), spread, 1.0))


def training_memory(k: int, d: int, c: int, recipe: LinearRecipe) -> int:
    """Bytes that training on k rows of width d allocates: rows, rotated rows, axes, residuals."""
    r = min(k, d)
    residuals = max(2 * k * c * 8, min(3 * k * c * recipe.folds * 8, 3 * TOGETHER_BYTES))
    return 8 * (2 * k * d + 3 * r * r + r * d + 40 * r * c * recipe.folds) + residuals


def fit_linear(
    rows: FloatArray,
    codes: NDArray[np.int64],
    c: int,
    *,
    key: Key,
    weights: FloatArray | None = None,
    recipe: LinearRecipe,
    pulse: Pulse = unwatched,
) -> Linear:
    """Choose C and train.

    Args:
        rows: [n, d] standardised features.
        codes: [n] class of each row.
        c: classes in all.
        key: ids of the rows; they decide the folds.
        weights: [n] positive weights, normalised here to mean 1; equal ones where not given.
        recipe: candidates of C and the cross-validation.
        pulse: called at every step of every fit.
    """
    n, d = rows.shape
    weight = np.ones(n) if weights is None else weights / weights.mean()
    present = np.bincount(codes, minlength=c) > 0
    if present.sum() == 1:
        offsets = np.where(present, 0.0, -np.inf)
        return Linear(np.zeros((d, c)), offsets, present, recipe.cost_of_few, converged=True)
    rotated, energy, axes = _principal(rows)
    cost, converged = recipe.cost_of_few, True
    if n >= recipe.few:
        fold = stratified_folds(codes, key, recipe.folds)
        cost, converged = _choose_cost(rotated, energy, codes, c, fold, weight, recipe, pulse)
    parts = Parts(rotated, energy, codes, weight[:, None], c)
    model = minimise(parts, cost, Softmax.zero(parts), pulse)
    return Linear(
        slopes=axes @ model.slopes[:, 0],
        offsets=model.offsets[0],
        present=present,
        cost=cost,
        converged=converged and model.converged,
    )


def predict(model: Linear, matrix: Matrix, scaling: Scaling) -> NDArray[np.int64]:
    """[n] the most probable class of each row of a file, ties to the smaller class."""
    return np.concatenate(
        [model.probabilities(scaling.apply(block)).argmax(1) for _, block in matrix.blocks()]
    )


def _principal(rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows on orthonormal axes that span them, the energy of each axis, and the axes [d, r].

    A penalised solution lies in the span of the rows, since what is orthogonal to them costs and
    predicts nothing; so fewer rows than features lose nothing by it, and the intercept is free.
    """
    n, d = rows.shape
    if n >= d:
        energy, axes = np.linalg.eigh(rows.T @ rows)
        return rows @ axes, np.maximum(energy, 0.0), axes
    basis, triangle = np.linalg.qr(rows.T)
    inner = triangle.T
    energy, turn = np.linalg.eigh(triangle @ inner)
    return inner @ turn, np.maximum(energy, 0.0), basis @ turn


def _choose_cost(
    rows: FloatArray,
    energy: FloatArray,
    codes: NDArray[np.int64],
    c: int,
    fold: NDArray[np.int64],
    weight: FloatArray,
    recipe: LinearRecipe,
    pulse: Pulse,
) -> tuple[float, bool]:
    """The C of least mean held-out log-loss, and whether all fits converged.

    From the smallest on, until the loss rises: larger ones take longest, and fit the noise.
    """
    trains = [fold[:, None] != folds for folds in _together(len(rows) * c, recipe.folds)]
    parts = [Parts(rows, energy, codes, weight[:, None] * some, c) for some in trains]
    models = [Softmax.zero(part) for part in parts]
    best, least, converged = recipe.costs[0], np.inf, True
    for cost in recipe.costs:
        loss = 0.0
        for place, (part, some) in enumerate(zip(parts, trains, strict=True)):
            model = models[place] = minimise(part, cost, models[place], pulse)
            converged &= model.converged
            loss += _held_out_loss(part, model, ~some, weight, recipe.floor)
        if loss >= least:
            break
        best, least = cost, loss
    return best, converged


def _together(numbers: int, folds: int) -> Iterator[NDArray[np.int64]]:
    """All folds at once where their residuals fit, else one after another."""
    if 8 * numbers * folds <= TOGETHER_BYTES:
        yield np.arange(folds)
        return
    yield from np.arange(folds)[:, None]


def _held_out_loss(
    parts: Parts,
    model: Softmax,
    held_out: NDArray[np.bool_],
    weight: FloatArray,
    floor: float,
) -> float:
    """Weighted sum of the log-loss of every row under the model that has not seen it."""
    seen = model.probabilities(parts.rows, parts.present)
    own = seen[np.arange(len(seen)), :, parts.codes]
    lacking = (~parts.present).sum(1)
    known = parts.present[:, parts.codes].T
    own = np.where(known, np.maximum(own, np.finfo(float).tiny), floor) / (1 + lacking * floor)
    return float(-(np.log(own) * held_out * weight[:, None]).sum())
