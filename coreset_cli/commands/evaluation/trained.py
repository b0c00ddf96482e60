"""Train every cell once, side by side, and keep what was trained.

Each model trains with single-threaded products, so it is the same for any number of threads, and
several train at the same time.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from threading import Event

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from coreset_cli.artifacts.manifest import InputRecord, versions
from coreset_cli.commands.evaluation.cache import Cache, Outcome, cache_folder
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.select import Watch
from coreset_cli.device import START_UP, require_memory
from coreset_cli.seeds import Key
from coreset_cli.training.linear import (
    Scaling,
    fit_linear,
    fit_scaling,
    predict,
    training_memory,
)
from coreset_cli.training.recipe import LinearRecipe
from coreset_cli.training.softmax import Pulse

__all__ = ["memory_of", "open_cache", "train_all", "workers_for"]


def open_cache(request: Request, train: InputRecord, test: InputRecord, data: Data) -> Cache:
    """The kept cells of this training file, test file, recipe and these versions."""
    kept = {name: versions()[name] for name in ("coreset", "numpy")}
    context = {
        "train": train.content_digest,
        "labels": data.labels.digest(),
        "test": test.content_digest,
        "recipe": asdict(request.recipe),
        "versions": {**kept, "scipy": scipy.__version__},
    }
    return Cache(cache_folder() if request.use_cache else None, context, data.test.matrix.n)


def memory_of(k: int, data: Data, recipe: LinearRecipe) -> int:
    """Bytes that training on k rows and predicting takes."""
    return training_memory(k, data.train.matrix.d, len(data.labels.names), recipe) + (64 << 20)


def workers_for(needed: int, limit: int, beside: int) -> int:
    """How many models may train at the same time."""
    room = (limit - START_UP - beside) // max(needed, 1)
    return max(1, min(os.cpu_count() or 1, room))


def train_all(
    draws: Sequence[Draw],
    data: Data,
    request: Request,
    cache: Cache,
    beside: int,
    watch: Watch,
) -> tuple[Mapping[str, Outcome], tuple[str, ...]]:
    """Outcomes by key of the cache, for all draws.

    Args:
        draws: rows to train on; the same rows are trained once.
        data: training and test files.
        request: recipe and memory.
        cache: outcomes of earlier runs.
        beside: bytes held beside training.
        watch: told of models trained.

    Raises:
        DoesNotFit: the largest model does not fit into memory.
    """
    pending = {cache.key(*in_order(draw)): draw for draw in draws}
    found = {key: outcome for key in pending if (outcome := cache.get(key)) is not None}
    missing = sorted(
        (key for key in pending if key not in found), key=lambda key: -len(pending[key].rows)
    )
    if not missing:
        return found, ()
    largest = len(pending[missing[0]].rows)
    needed = memory_of(largest, data, request.recipe)
    require_memory(
        request.max_memory,
        beside + needed,
        f"training on {largest:,} rows",
        "allow more, or leave out --baselines full",
    )
    scaling, key_of_rows = fit_scaling(data.points), data.train.ids.key()
    notes: list[str] = []
    stopped = Event()

    def pulse() -> None:
        if stopped.is_set():
            raise CancelledError

    def run(draw: Draw) -> Outcome:
        return _trained(draw, data, scaling, request.recipe, key_of_rows, pulse)

    with threadpool_limits(1, user_api="blas"):
        pool = ThreadPoolExecutor(workers_for(needed, request.max_memory, beside))
        try:
            running: dict[Future[Outcome], str] = {
                pool.submit(run, pending[key]): key for key in missing
            }
            while running:
                watch("training", len(missing) - len(running), len(missing))
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    found[key] = future.result()
                    note = cache.put(key, found[key])
                    notes += [note] if note else []
        finally:  # on an error or an interrupt the models in work end at their next step
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
    watch("training", len(missing), len(missing))
    return found, tuple(dict.fromkeys(notes))


def in_order(draw: Draw) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows and weights by row number: a model does not depend on the order of its rows."""
    order = np.argsort(draw.rows)
    return draw.rows[order], None if draw.weights is None else draw.weights[order]


def _trained(
    draw: Draw, data: Data, scaling: Scaling, recipe: LinearRecipe, key: Key, pulse: Pulse
) -> Outcome:
    started = time.perf_counter()
    rows, weights = in_order(draw)
    model = fit_linear(
        scaling.apply(data.train.matrix.take(rows)),
        data.labels.codes[rows],
        len(data.labels.names),
        key=key.take(rows),
        weights=weights,
        recipe=recipe,
        pulse=pulse,
    )
    predicted = predict(model, data.test.matrix, scaling)
    return Outcome(
        predicted=predicted,
        cost=model.cost,
        converged=model.converged,
        seconds=round(time.perf_counter() - started, 3),
    )
