"""Train every cell once, side by side where that pays, and keep what was trained."""

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from threading import Event

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.manifest import versions
from coreset_cli.commands.evaluation.cache import Cache, Outcome, cache_folder
from coreset_cli.commands.evaluation.data import Data, Scanned
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.evaluation.trainer import Trainer
from coreset_cli.commands.select import Watch
from coreset_cli.device import require_memory

__all__ = ["key_of", "open_cache", "train_all"]

REFRESH = 0.5
"""Seconds between two looks at how far the models in work are."""


def open_cache(request: Request, scanned: Scanned, data: Data, trainer: Trainer) -> Cache:
    """The kept cells of this training file, test file, recipe and these versions."""
    kept = {name: versions()[name] for name in ("coreset", "numpy")}
    context = {
        "train": scanned.train.content_digest,
        "labels": data.labels.digest(),
        "test": scanned.test.content_digest,
        **trainer.context,
    }
    context["versions"] = {**kept, **trainer.versions}
    return Cache(cache_folder() if request.use_cache else None, context, len(data.test.ids))


def key_of(cache: Cache, draw: Draw) -> str:
    """What an outcome is kept under: a model does not depend on the order of its rows."""
    pixels = None if draw.learned is None else draw.digest
    return cache.key(*_in_order(draw), draw.seed, pixels, draw.support)


def train_all(
    draws: Sequence[Draw],
    trainer: Trainer,
    request: Request,
    cache: Cache,
    beside: int,
    watch: Watch,
) -> tuple[Mapping[str, Outcome], tuple[str, ...]]:
    """Outcomes by key of the cache, for all draws.

    Args:
        draws: rows to train on; the same rows are trained once a seed.
        trainer: of the models.
        request: memory, and which model is wanted whole.
        cache: outcomes of earlier runs.
        beside: bytes held beside training.
        watch: told of models trained.

    Raises:
        DoesNotFit: the largest model does not fit into memory.
    """
    pending = {key_of(cache, draw): draw for draw in draws}
    wanted = {key_of(cache, draw) for draw in draws if trainer.is_wanted_whole(draw)}
    found = {
        key: outcome
        for key in pending
        if key not in wanted and (outcome := cache.get(key)) is not None
    }
    missing = sorted(
        (key for key in pending if key not in found), key=lambda key: -len(pending[key].rows)
    )
    if not missing:
        return found, ()
    largest = len(pending[missing[0]].rows)
    needed = trainer.memory(largest)
    require_memory(
        request.max_memory,
        beside + needed,
        f"training on {largest:,} rows",
        "allow more, or leave out --baselines full",
    )
    notes: list[str] = []
    stopped = Event()
    done = dict.fromkeys(missing, 0)
    work = sum(trainer.work(pending[key]) for key in missing)

    def run(key: str) -> Outcome:
        def pulse(units: int) -> None:
            if stopped.is_set():
                raise CancelledError
            done[key] = units

        draw = pending[key]
        outcome = trainer.train(draw, *_in_order(draw), pulse)
        done[key] = trainer.work(draw)
        return outcome

    with trainer.ready([pending[key] for key in missing], watch):
        pool = ThreadPoolExecutor(trainer.workers(needed, request.max_memory, beside))
        try:
            running: dict[Future[Outcome], str] = {pool.submit(run, key): key for key in missing}
            while running:
                watch("training", sum(done.values()), work)
                for future in wait(running, REFRESH, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    found[key] = future.result()
                    note = cache.put(key, found[key])
                    notes += [note] if note else []
        finally:  # on an error or an interrupt the models in work end at their next step
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
    watch("training", work, work)
    return found, tuple(dict.fromkeys(notes))


def _in_order(draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    order = np.argsort(draw.rows)
    return draw.rows[order], None if draw.weights is None else draw.weights[order]
