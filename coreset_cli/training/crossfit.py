"""Logits of every row by a network that was not trained on it.

Source: Stone, "Cross-validatory choice and assessment of statistical predictions", JRSS B 1974.
Cost: as many trainings as folds, each on all rows but those of the fold.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from coreset_cli.errors import InfeasibleBudget
from coreset_cli.training.batches import Images, batches_of
from coreset_cli.training.loop import logits_of, train
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import NetworkRecipe

__all__ = ["held_out_logits"]


def held_out_logits(
    fresh: Callable[[int], Network],
    images: Images,
    recipe: NetworkRecipe,
    *,
    folds: Int64[NDArray[np.int64], " n"],
    seed: int,
    pulse: Callable[[int, int], None] = lambda done, total: None,
) -> Float32[NDArray[np.float32], "n k"]:
    """Train a network for each fold on the other folds, and let it judge the fold.

    Pictures keep the mean and deviation of all rows. A class that lies in one fold alone gets the
    logits of a network that never saw it.

    Args:
        fresh: a new network on the device of the pictures, from a seed.
        images: all rows.
        recipe: of each training.
        folds: [n] of each row, as `stratified_folds` deals them.
        seed: of weights and training, the same for every fold.
        pulse: told the steps done and the steps in all, those of later folds as of this one.

    Raises:
        InfeasibleBudget: fewer than two folds have rows.
        NotFinite: a loss is NaN or infinite.
    """
    names = np.unique(folds)
    if len(names) < 2:
        raise InfeasibleBudget(
            f"held-out logits need rows in 2 folds or more, the {len(folds)} rows are in "
            f"{len(names)}; use more rows"
        )
    judged: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    before = 0
    for place, name in enumerate(names):
        network = fresh(seed)
        inside = np.flatnonzero(folds != name)
        left = len(names) - place

        def part(done: int, total: int, before: int = before, left: int = left) -> None:
            pulse(before + done, before + left * total)

        train(network, images.take(inside), recipe, seed=seed, pulse=part)
        before += recipe.epochs * len(batches_of(torch.arange(len(inside)), recipe.batch))
        outside = np.flatnonzero(folds == name)
        judged.append((outside, logits_of(network, images.take(outside), recipe)))
    logits = np.empty((len(folds), judged[0][1].shape[1]), np.float32)
    for rows, values in judged:
        logits[rows] = values
    return logits
