"""The linear model on vectors.

Each model trains with single-threaded products, so it is the same for any number of threads, and
several train at the same time.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.select import Watch
from coreset_cli.device import START_UP
from coreset_cli.seeds import Key
from coreset_cli.training.linear import Scaling, fit_linear, fit_scaling, predict, training_memory
from coreset_cli.training.recipe import LinearRecipe

__all__ = ["LinearTrainer"]

STEPS = 250
"""Steps over all values of C of one cross-validation, as measured on real embeddings."""


@dataclass
class LinearTrainer:
    """Multinomial logistic regression.

    Args:
        data: training and test file, both of vectors.
        recipe: how C is chosen.
    """

    data: Data
    recipe: LinearRecipe
    name: str = field(default="linear", init=False)
    notes: tuple[str, ...] = field(default=(), init=False)
    draws: bool = field(default=False, init=False)
    _scaling: Scaling = field(init=False)
    _key: Key = field(init=False)

    @property
    def context(self) -> Mapping[str, object]:
        """The recipe."""
        return {"recipe": asdict(self.recipe)}

    @property
    def versions(self) -> Mapping[str, str]:
        """SciPy minimises."""
        return {"scipy": scipy.__version__}

    def work(self, draw: Draw) -> int:
        """A model is one unit."""
        return 1

    def memory(self, k: int) -> int:
        """Bytes of rows, rotated rows and residuals."""
        assert self.data.points is not None
        return training_memory(k, self.data.points.d, len(self.data.labels.names), self.recipe) + (
            64 << 20
        )

    def workers(self, needed: int, limit: int, beside: int) -> int:
        """One a core, as far as memory allows."""
        room = (limit - START_UP - beside) // max(needed, 1)
        return max(1, min(os.cpu_count() or 1, room))

    def seconds(self, sizes: Sequence[int], at_once: int) -> float:
        """From a measured product; models side by side, none split."""
        assert self.data.points is not None
        d, c = self.data.points.d, len(self.data.labels.names)
        products = [4.0 * k * min(k, d) * c * self.recipe.folds * STEPS for k in sizes]
        longest = max(sum(products) / at_once, max(products, default=0.0))
        return longest / _products_per_second()

    def is_wanted_whole(self, draw: Draw) -> bool:
        """Nothing of the model but its predictions is ever asked for."""
        return False

    @contextmanager
    def ready(self, draws: Sequence[Draw], watch: Watch) -> Iterator[None]:
        """Statistics of all rows; products of one thread."""
        assert self.data.points is not None
        self._scaling, self._key = fit_scaling(self.data.points), self.data.train.ids.key()
        with threadpool_limits(1, user_api="blas"):
            yield

    def train(
        self,
        draw: Draw,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        pulse: Callable[[int], None],
    ) -> Outcome:
        """Choose C, train, predict."""
        started = time.perf_counter()
        train, test = self.data.train, self.data.test
        assert isinstance(train, Embeddings)
        assert isinstance(test, Embeddings)
        model = fit_linear(
            self._scaling.apply(train.matrix.take(rows)),
            self.data.labels.codes[rows],
            len(self.data.labels.names),
            key=self._key.take(rows),
            weights=weights,
            recipe=self.recipe,
            pulse=lambda: pulse(0),
        )
        predicted = predict(model, test.matrix, self._scaling)
        return Outcome(
            predicted=predicted,
            cost=model.cost,
            converged=model.converged,
            seconds=round(time.perf_counter() - started, 3),
        )


@cache
def _products_per_second() -> float:
    """Multiplications and additions of a product as training does them, on one core or more."""
    rows, slopes = np.ones((2048, 256)), np.ones((256, 40))
    started = time.perf_counter()
    for _ in range(20):
        rows @ slopes
    return 20 * 2 * rows.size * slopes.shape[1] / (time.perf_counter() - started)
