"""`evaluate`: index lists in, a trained model's score beside its baselines out."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from coreset_cli.artifacts.report import Report
from coreset_cli.commands.evaluation.data import Data, open_data, scan_data
from coreset_cli.commands.evaluation.draws import Group, all_groups, group_count
from coreset_cli.commands.evaluation.gates import check_gates, parse_gates
from coreset_cli.commands.evaluation.request import (
    Outputs,
    Request,
    budgets_of,
    canonical_names,
    parse_baselines,
    settings_of,
)
from coreset_cli.commands.evaluation.summary import fidelity_of, find_centres, summarise
from coreset_cli.commands.evaluation.trained import (
    in_order,
    memory_of,
    open_cache,
    train_all,
    workers_for,
)
from coreset_cli.commands.evaluation.truth import read_truth
from coreset_cli.commands.select import Watch, planned_memory
from coreset_cli.device import START_UP, require_memory
from coreset_cli.training.bootstrap import RESAMPLES
from coreset_cli.training.recipe import find_recipe

__all__ = [
    "Outputs",
    "Plan",
    "Request",
    "budgets_of",
    "canonical_names",
    "evaluate",
    "find_recipe",
    "parse_baselines",
    "parse_gates",
    "plan",
    "settings_of",
]


def evaluate(request: Request, watch: Watch) -> Report:
    """Select, train, compare.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    data = open_data(request)
    group_count(request, data.train.matrix.n)
    beside = _memory_beside(data)
    require_memory(
        request.max_memory, beside, f"evaluating {data.train.matrix.n:,} rows", "allow more"
    )
    train, test, same = scan_data(data, watch)
    known = read_truth(data.train, data.labels)
    groups, notes = all_groups(request, data, train, watch)
    cache = open_cache(request, train, test, data)
    draws = [draw for group in groups for draw in group.draws]
    found, kept = train_all(draws, data, request, cache, beside, watch)
    outcomes = [[found[cache.key(*in_order(draw))] for draw in group.draws] for group in groups]
    centres, median = find_centres(data.points, known)
    cells = summarise(groups, outcomes, data, known, centres, request.seed)
    slow = [cell.name for cell in cells if not all(run.converged for run in cell.runs)]
    unconverged = (f"training did not converge: {', '.join(dict.fromkeys(slow))}",) if slow else ()
    return Report(
        train=train,
        test=test,
        model=request.model,
        recipe={**asdict(request.recipe), "costs": list(request.recipe.costs)},
        parameters=_parameters(request, data),
        proxy_data=request.proxy_data,
        seed=request.seed,
        resamples=RESAMPLES,
        cells=cells,
        fidelity=fidelity_of(cells),
        gates=check_gates(request.demands, cells),
        warnings=(
            *data.warnings,
            *same,
            *_lost_classes(groups, data),
            *notes,
            *median,
            *kept,
            *unconverged,
        ),
        device=str(data.points.device),
        seconds=round(time.perf_counter() - started, 3),
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do.

    Args:
        rows: of the training file.
        width: values a row.
        test_rows: of the test file.
        cells: results and baselines.
        trainings: models to train at most; what is kept from earlier runs is not trained again.
        baseline_trainings: of those, for the baselines.
        largest: rows of the largest model.
        bytes_to_read: once over both files; methods read more.
        peak_memory: bytes of anonymous memory, start-up included.
        seconds: estimate of the training alone, from a measured matrix product.
        baseline_seconds: of those, for the baselines.
    """

    rows: int
    width: int
    test_rows: int
    cells: int
    trainings: int
    baseline_trainings: int
    largest: int
    bytes_to_read: int
    peak_memory: int
    seconds: float
    baseline_seconds: float

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        return [
            f"train     {self.rows:,} rows × {self.width:,}; test {self.test_rows:,} rows",
            f"cells     {self.cells}, at most {self.trainings} models to train, "
            f"{self.baseline_trainings} of them baselines",
            f"read      {self.bytes_to_read / 1e9:.2f} GB once; methods read more",
            f"memory    {self.peak_memory / (1 << 30):.2f} GiB at most, mapped files not counted",
            f"time      about {self.seconds:.0f} s of training, {self.baseline_seconds:.0f} s of "
            "them for the baselines; selecting comes on top",
            "nothing was written",
        ]


RESAMPLING = 64 << 20
"""Bytes of the resamples held at a time."""

STEPS = 350
"""Steps over all values of C of one cross-validation, as measured on real embeddings."""


def plan(request: Request) -> Plan:
    """Count the models and estimate what they cost; no vector is read.

    Raises:
        CoresetError: whatever `evaluate` would raise before it reads.
    """
    data = open_data(request)
    n, d, c = data.train.matrix.n, data.train.matrix.d, len(data.labels.names)
    sizes = sorted({budget.rows(n) for budget in request.budgets})
    results = sizes * len(request.methods)
    rivals = [k for k in sizes if "random" in request.baselines for _ in range(request.seeds)]
    whole = [n] if "full" in request.baselines else []
    largest = group_count(request, n)[1]
    at_once = workers_for(memory_of(largest, data, request.recipe), request.max_memory, 0)
    rate = _products_per_second()

    def seconds(rows: list[int]) -> float:
        products = [4.0 * k * min(k, d) * c * request.recipe.folds * STEPS for k in rows]
        return max(sum(products) / at_once, max(products, default=0.0)) / rate

    runs = [k for k in results for _ in range(request.seeds)]
    return Plan(
        rows=n,
        width=d,
        test_rows=data.test.matrix.n,
        cells=len(results)
        + len(request.selections)
        + len(whole)
        + len(sizes) * ("random" in request.baselines),
        trainings=len(runs) + len(request.selections) + len(rivals) + len(whole),
        baseline_trainings=len(rivals) + len(whole),
        largest=largest,
        bytes_to_read=sum(
            m.n * m.d * m.dtype.itemsize for m in (data.train.matrix, data.test.matrix)
        ),
        peak_memory=START_UP
        + _memory_beside(data)
        + at_once * memory_of(largest, data, request.recipe),
        seconds=seconds(runs + rivals + whole),
        baseline_seconds=seconds(rivals + whole),
    )


def _products_per_second() -> float:
    """Multiplications and additions of a product as training does them, on one core or more."""
    rows, slopes = np.ones((2048, 256)), np.ones((256, 40))
    started = time.perf_counter()
    for _ in range(20):
        rows @ slopes
    return 20 * 2 * rows.size * slopes.shape[1] / (time.perf_counter() - started)


def _memory_beside(data: Data) -> int:
    """Bytes of selecting, of the statistics and of the resamples."""
    return (
        planned_memory(data.train, data.train.matrix.n) + planned_memory(data.test, 0) + (64 << 20)
    )


def _lost_classes(groups: list[Group], data: Data) -> tuple[str, ...]:
    """Say which cells have no row of a class, and so can never predict it."""
    c = len(data.labels.names)
    told = []
    for group in groups:
        least = min(len(np.unique(data.labels.codes[draw.rows])) for draw in group.draws)
        if least < c:
            told.append(
                f"{group.name} at {group.k:,} rows has rows of {least} of the {c} classes; "
                "the others are never predicted"
            )
    return tuple(told)


def _parameters(request: Request, data: Data) -> Mapping[str, Any]:
    n = data.train.matrix.n
    return {
        "selections": [str(path) for path in request.selections],
        "label": request.label,
        "test_label": request.test_label,
        "id": request.ids,
        "column": request.column,
        "seeds": request.seeds,
        "baselines": list(request.baselines),
        "methods": {name: dict(values) for name, values in request.methods.items()},
        "ratio": [str(b.ratio) for b in request.budgets if b.ratio is not None],
        "count": sorted({b.rows(n) for b in request.budgets}),
        "balance": request.balance,
        "fail_under": [f"{demand.measure}={demand.least}" for demand in request.demands],
    }
