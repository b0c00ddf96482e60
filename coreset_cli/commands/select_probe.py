"""Signals of a probe that is trained before a method runs."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.signals import Signals
from coreset_cli.kernels.points import Points
from coreset_cli.selector import Field, Progress
from coreset_cli.training.probe import ProbeRecipe, probe_memory, train_probe

__all__ = ["FromProbe"]

MEASURED_ROWS = 16_384
"""Rows that a probe is trained on to see how long it takes: fewer stay in the cache."""

MEASURED_EPOCHS = 2
"""Epochs of that."""


@dataclass(frozen=True, kw_only=True)
class FromProbe:
    """Signals of a probe, trained on vectors and labels.

    Args:
        recipe: of its training.
        wanted: which signals.
    """

    recipe: ProbeRecipe
    wanted: frozenset[Field]

    @property
    def told(self) -> Mapping[str, Any]:
        """The recipe."""
        return {"probe": asdict(self.recipe)}

    @property
    def draws(self) -> bool:
        """The seed decides the order of rows."""
        return True

    def memory(self, data: Embeddings) -> int:
        """Of the training, and of what it leaves."""
        n, d, c = data.matrix.n, data.matrix.d, len(_labels(data).names)
        return probe_memory(n, d, c, self.recipe, self.wanted)

    def seconds(self, data: Embeddings, device: torch.device) -> float:
        """From some epochs on the first rows."""
        rows = np.arange(min(data.matrix.n, MEASURED_ROWS))
        points = Points(data.matrix, data.ids.key(), device).subset(rows)
        short = replace(self.recipe, epochs=MEASURED_EPOCHS)
        told = []

        def progress(done: int, total: int) -> None:
            told.append(time.perf_counter())

        some = data.ids.take(rows), _labels(data).take(rows)
        train_probe(points, *some, short, seed=0, needs=self.wanted, progress=progress)
        epoch = told[-1] - told[-2]  # the first one loads what computes
        return epoch * self.recipe.epochs * data.matrix.n / len(rows)

    def signals(self, data: Embeddings, points: Points, seed: int, progress: Progress) -> Signals:
        """Train."""
        some = data.ids, _labels(data)
        return train_probe(
            points, *some, self.recipe, seed=seed, needs=self.wanted, progress=progress
        )


def _labels(data: Embeddings) -> Labels:
    assert data.labels is not None
    return data.labels
