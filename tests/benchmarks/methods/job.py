"""One job: a contender selects in a cell, and the linear model judges every budget."""

import base64
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from cells import LARGEST, Cell, Contender, budgets_of
from numpy.typing import NDArray
from sets import Files, files_of

from coreset_cli import __version__
from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.artifacts.selection import Selection
from coreset_cli.commands.budget import Budget
from coreset_cli.commands.evaluate import Request as Evaluation
from coreset_cli.commands.evaluate import find_trainer
from coreset_cli.commands.evaluation.cache import Cache, Outcome
from coreset_cli.commands.evaluation.data import Data, open_data
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.evaluation.trainer import Trainer
from coreset_cli.commands.evaluation.truth import read_truth
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import Request, build_selector, select
from coreset_cli.io.digest import lines_digest
from coreset_cli.kernels.shares import rounded_share

__all__ = ["Job", "Place", "Record", "correct_of", "read", "run"]

Record = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Args:
        folder: of files and results.
        memory: bytes that a job may use.
    """

    folder: Path
    memory: int


@dataclass(frozen=True)
class Job:
    """A contender in a cell."""

    cell: Cell
    contender: Contender

    def file(self, folder: Path) -> Path:
        """Where its result is kept."""
        cell = self.cell
        place = folder / "results" / cell.data / cell.corruption / str(cell.seed)
        return place / f"{self.contender.key}.json"

    @property
    def seed(self) -> int:
        """Of the selection."""
        return 1000 * self.cell.seed + self.contender.draw


@dataclass(frozen=True, kw_only=True)
class _Pick:
    """Rows of the training file, and how they came about; seconds of the processor."""

    budget: str
    rows: NDArray[np.int64]
    weights: NDArray[np.float64] | None
    seconds: float | None
    notes: tuple[str, ...]


def run(job: Job, place: Place, tell: Callable[[Record], None]) -> Record:
    """Select and train; whatever goes wrong is part of the result.

    Args:
        job: what to do.
        place: where.
        tell: told of the record after every budget.
    """
    started, begun = time.perf_counter(), time.process_time()
    record: Record = {"version": __version__, "status": "started", "budgets": {}, "notes": []}
    try:
        for name, found in _judged(job, place):
            record["budgets"][name] = found
            record["notes"] = sorted({*record["notes"], *found.pop("notes")})
            tell({**record, "seconds": round(time.perf_counter() - started, 3)})
        record["status"] = "done"
    except Exception as error:  # noqa: BLE001 (one method's fault must not stop the others)
        record["status"] = "error"
        record["error"] = f"{type(error).__name__}: {error}"
        record["traceback"] = traceback.format_exc()
    record["seconds"] = round(time.perf_counter() - started, 3)
    record["cpu_seconds"] = round(time.process_time() - begun, 3)
    return record


def read(path: Path) -> Record | None:
    """A result, where there is one."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def correct_of(found: Mapping[str, Any]) -> NDArray[np.bool_]:
    """[t] whether each test row was predicted right."""
    packed = np.frombuffer(base64.b64decode(found["correct"]), np.uint8)
    return np.unpackbits(packed, count=found["tests"]).astype(bool)


def _judged(job: Job, place: Place) -> Iterator[tuple[str, Record]]:
    """Every budget with what the model made of it."""
    files = files_of(place.folder, job.cell)
    request = Evaluation(
        train=str(files.train), test=str(files.test), label="label", methods={}, device="cpu"
    )
    data = open_data(request)
    bad = ~read_truth(data.train, data.labels).clean
    trainer = find_trainer(request, data)
    context = {"cell": job.cell.stem, **trainer.context}
    cache = Cache(place.folder / "cache", context, len(data.target))
    with trainer.ready((), lambda stage, done, total: None):
        for pick in _picks(job, place, files, data):
            outcome = _trained(pick, data, trainer, cache)
            correct = outcome.predicted == data.target
            yield (
                pick.budget,
                {
                    "k": len(pick.rows),
                    "accuracy": float(correct.mean()),
                    "correct": base64.b64encode(np.packbits(correct)).decode(),
                    "tests": len(correct),
                    "corrupted": float(bad[pick.rows].mean()),
                    "select_seconds": pick.seconds,
                    "train_seconds": outcome.seconds,
                    "cost": outcome.cost,
                    "converged": outcome.converged,
                    "weighted": pick.weights is not None,
                    "digest": _digest(data, pick.rows),
                    "notes": pick.notes,
                },
            )


def _trained(pick: _Pick, data: Data, trainer: Trainer, cache: Cache) -> Outcome:
    """As `evaluate` trains; the same rows are trained once in a cell."""
    order = np.argsort(pick.rows)
    rows, weights = pick.rows[order], None if pick.weights is None else pick.weights[order]
    key = cache.key(rows, weights)
    outcome = cache.get(key)
    if outcome is None:
        draw = Draw(rows=rows, weights=weights, digest=_digest(data, rows))
        outcome = trainer.train(draw, rows, weights, lambda units: None)
        cache.put(key, outcome)
    return outcome


def _digest(data: Data, rows: NDArray[np.int64]) -> str:
    return lines_digest(data.train.ids.take(rows).texts())


def _picks(job: Job, place: Place, files: Files, data: Data) -> Iterator[_Pick]:
    """The rows of every budget: of one selection where its prefixes are the smaller ones."""
    contender = job.contender
    if contender.kind == "full":
        yield _Pick(budget="1", rows=np.arange(data.n), weights=None, seconds=None, notes=())
        return
    source = str(files.clean if contender.kind == "clean-only" else files.train)
    budgets = budgets_of(job.cell.data, job.cell.corruption)
    counts = {name: rounded_share(Decimal(name), data.n) for name in budgets}

    def selected(name: str) -> tuple[Selection, float]:
        request = Request(
            paths=(source,),
            method=contender.method,
            budget=Budget(count=counts[name]),
            settings=contender.settings,
            label="label",
            seed=job.seed,
            device="cpu",
            max_memory=place.memory,
        )
        begun = time.process_time()
        found = select(request, lambda stage, done, total: None)
        return found, round(time.process_time() - begun, 3)

    def pick(name: str, selection: Selection, seconds: float) -> _Pick:
        assert selection.manifest is not None
        k = counts[name]
        return _Pick(
            budget=name,
            rows=data.train.ids.rows_of(selection.ids, source, str(files.train))[:k],
            weights=selection.weights,
            seconds=seconds,
            notes=selection.manifest.warnings,
        )

    method = make_method(contender.method, contender.settings)
    largest, serves_all = None, False
    if build_selector(method, None, open_embeddings([source], label="label")).prefix:
        largest = selected(LARGEST)
        serves_all = largest[0].weights is None  # weights say what the rows of one selection hold
    for name in counts:
        if largest is not None and (serves_all or name == LARGEST):
            yield pick(name, *largest)
        else:
            yield pick(name, *selected(name))
