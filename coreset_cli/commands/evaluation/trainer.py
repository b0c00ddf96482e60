"""What `evaluate` asks of a family of models."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.select import Watch

__all__ = ["Trainer", "Wanted"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The one model of which more is kept than its predictions.

    Args:
        digest: of the rows it trains on.
        weighted: these rows have weights.
        roles: some of these rows are support rows.
        seed: of its training.
        model: where its checkpoint goes.
        record: where its signals go.
        folds: networks that judge, for the signals, rows they were not trained on; 0 for none.
        label: column or file of the training labels.
        train: what it is trained on.
    """

    digest: str
    weighted: bool
    roles: bool = False
    seed: int = 0
    model: Path | None = None
    record: Path | None = None
    folds: int = 0
    label: str
    train: InputRecord


class Trainer(Protocol):
    """Trains models of one family on rows of one training file, and predicts one test file."""

    @property
    def name(self) -> str:
        """Of the model, for the report."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the inputs were read."""

    @property
    def context(self) -> Mapping[str, object]:
        """What decides an outcome beside files, rows, weights and the seed."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the libraries that decide an outcome."""

    @property
    def draws(self) -> bool:
        """Whether training draws, so that every seed has a model of its own."""

    def work(self, draw: Draw) -> int:
        """Units of work of one model, in which its pulse counts."""

    def memory(self, k: int) -> int:
        """Bytes that training on at most k rows and predicting takes."""

    def workers(self, needed: int, limit: int, beside: int) -> int:
        """How many models train at the same time."""

    def seconds(self, sizes: Sequence[int], at_once: int) -> float:
        """Estimate of the wall time of training models on so many rows, or pictures, each."""

    def is_wanted_whole(self, draw: Draw) -> bool:
        """Whether more is asked of this model than what is kept of earlier ones."""

    def ready(self, draws: Sequence[Draw], watch: Watch) -> AbstractContextManager[object]:
        """Read what these are trained on, for as long as models train."""

    def train(
        self,
        draw: Draw,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        pulse: Callable[[int], None],
    ) -> Outcome:
        """Train one model and predict.

        Args:
            draw: what it is trained on.
            rows: [k] of the draw, ascending.
            weights: [k] of these rows.
            pulse: told of the units done at every step; it may raise, to stop.
        """
