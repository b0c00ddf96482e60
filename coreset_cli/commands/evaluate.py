"""`evaluate`: index lists in, a trained model's score beside its baselines out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.report import Report
from coreset_cli.commands.evaluation.by_group import grouping_of, with_groups
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.data import Data, Scanned, open_data, scan_data
from coreset_cli.commands.evaluation.draws import Group, a_model_a_seed
from coreset_cli.commands.evaluation.gates import check_gates, parse_gates
from coreset_cli.commands.evaluation.grouping import open_groups
from coreset_cli.commands.evaluation.groups import all_groups, group_count
from coreset_cli.commands.evaluation.linear import LinearTrainer
from coreset_cli.commands.evaluation.outputs import Outputs
from coreset_cli.commands.evaluation.request import (
    Request,
    budgets_of,
    canonical_names,
    parse_baselines,
    settings_of,
)
from coreset_cli.commands.evaluation.summary import fidelity_of, find_centres, summarise
from coreset_cli.commands.evaluation.trained import key_of, open_cache, train_all
from coreset_cli.commands.evaluation.trainer import Trainer, Wanted
from coreset_cli.commands.evaluation.truth import read_truth
from coreset_cli.commands.select import Watch
from coreset_cli.commands.select_memory import memory_of_any
from coreset_cli.device import find_device, require_memory
from coreset_cli.errors import InvalidParameter
from coreset_cli.training.bootstrap import RESAMPLES
from coreset_cli.training.recipe import LinearRecipe

__all__ = [
    "Outputs",
    "Request",
    "budgets_of",
    "canonical_names",
    "evaluate",
    "find_trainer",
    "memory_beside",
    "parse_baselines",
    "parse_gates",
    "settings_of",
]

RESAMPLING = 64 << 20
"""Bytes of the resamples held at a time."""

SLOWER = "; a lower learning_rate may help"
"""What to tell of networks that learned nothing."""


def evaluate(request: Request, outputs: Outputs, watch: Watch) -> Report:
    """Select, train, compare.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    data = open_data(request)
    group_count(request, data.n)
    beside = memory_beside(data)
    source = open_groups(request, data)
    least = beside + max(data.choosing, 0 if source is None else source.memory(data))
    require_memory(request.max_memory, least, f"evaluating {data.n:,} rows", "allow more")
    scanned = scan_data(data, watch)
    known = read_truth(data.train, data.labels)
    grouped = None if source is None else source.grouped(data, watch)
    groups, notes = all_groups(request, data, scanned.train, watch)
    trainer = find_trainer(request, data, _wanted(request, outputs, scanned, groups, data))
    if trainer.draws:
        groups = a_model_a_seed(groups, request.seeds)
    cache = open_cache(request, scanned, data, trainer)
    draws = [draw for group in groups for draw in group.draws]
    found, kept = train_all(draws, trainer, request, cache, beside, watch)
    outcomes = [[found[key_of(cache, draw)] for draw in group.draws] for group in groups]
    centres, median = find_centres(data.points, known)
    cells = summarise(groups, outcomes, data, known, centres, request.seed)
    if grouped is not None:
        cells = with_groups(cells, groups, outcomes, data, grouped, request.seed)
        notes = (*notes, *grouped.notes)
    slow = [cell.name for cell in cells if not all(run.converged for run in cell.runs)]
    unconverged = (f"training did not converge: {', '.join(dict.fromkeys(slow))}",) if slow else ()
    return Report(
        train=scanned.train,
        test=scanned.test,
        model=trainer.name,
        recipe=asdict(request.training),
        parameters=_parameters(request, data),
        proxy_data=request.proxy_data,
        seed=request.seed,
        resamples=RESAMPLES,
        cells=cells,
        fidelity=fidelity_of(cells),
        gates=check_gates(request.demands, cells),
        warnings=(
            *data.warnings,
            *scanned.warnings,
            *_lost_classes(groups, data),
            *_stuck(groups, outcomes, data, "" if request.network is None else SLOWER),
            *notes,
            *median,
            *trainer.notes,
            *kept,
            *unconverged,
        ),
        device=str(find_device(request.device)),
        seconds=round(time.perf_counter() - started, 3),
        grouping=None if grouped is None else grouping_of(grouped),
    )


def memory_beside(data: Data) -> int:
    """Bytes of any selection, of the statistics and of the resamples."""
    vectors = {id(v): v for v in (data.vectors, data.test) if isinstance(v, Embeddings)}
    ids = data.train.ids.values.nbytes + data.test.ids.values.nbytes
    return sum(memory_of_any(v) for v in vectors.values()) + ids + RESAMPLING


def find_trainer(
    request: Request,
    data: Data,
    wanted: Wanted | None = None,
) -> Trainer:
    """What trains the model asked for."""
    recipe = request.training
    if isinstance(recipe, LinearRecipe):
        return LinearTrainer(data, recipe)
    from coreset_cli.commands.evaluation.network import NetworkTrainer

    assert request.network is not None
    return NetworkTrainer(
        data=data,
        spec=request.network,
        recipe=recipe,
        device=find_device(request.device),
        wanted=wanted,
    )


def _wanted(
    request: Request, outputs: Outputs, scanned: Scanned, groups: Sequence[Group], data: Data
) -> Wanted | None:
    """Which model is kept: of the full set, else of the only result."""
    if not outputs.keeps_model:
        return None
    results = [group for group in groups if group.kind not in {"random", "full"}]
    full = [group for group in groups if group.kind == "full"]
    draw = (full or results)[0].draws[0]
    learned = draw.learned
    if outputs.record is not None and (learned is not None or data.pictures_a_row > 1):
        raise InvalidParameter(
            f"--record keeps signals of the rows of {request.train}, and the network trains on "
            "pictures that are no rows of it; leave --record out"
        )
    if outputs.record is not None and draw.support is not None:
        raise InvalidParameter(
            "--record needs every row in every epoch, and support rows are drawn anew; train on "
            "all of them (--recipe echo:support_a_epoch=all), or record the full set"
        )
    return Wanted(
        digest=draw.digest,
        weighted=draw.weights is not None,
        roles=draw.support is not None,
        model=outputs.model,
        record=outputs.record,
        folds=request.record_folds,
        label=request.label or "label",
        train=scanned.train if learned is None else learned.record,
    )


def _lost_classes(groups: list[Group], data: Data) -> tuple[str, ...]:
    """Say which cells have no row of a class, and so can never predict it."""
    c = len(data.labels.names)
    told = []
    for group in groups:
        least = min(len(np.unique(draw.codes(data.labels))) for draw in group.draws)
        if least < c:
            told.append(
                f"{group.name} at {group.k:,} rows has rows of {least} of the {c} classes; "
                "the others are never predicted"
            )
    return tuple(told)


def _stuck(
    groups: Sequence[Group], outcomes: Sequence[Sequence[Outcome]], data: Data, remedy: str
) -> tuple[str, ...]:
    """Say which models give every test row one class, though they were trained on several."""
    told = []
    for group, found in zip(groups, outcomes, strict=True):
        same = sum(
            len(np.unique(outcome.predicted)) == 1 and len(np.unique(draw.codes(data.labels))) > 1
            for draw, outcome in zip(group.draws, found, strict=True)
        )
        if same and len(data.test.ids) > 1:
            told.append(
                f"{same} of {len(found)} models of {group.name} at {group.k:,} rows learned "
                f"nothing: every test row gets one class{remedy}"
            )
    return tuple(told)


def _parameters(request: Request, data: Data) -> Mapping[str, Any]:
    return {
        "selections": [str(path) for path in request.selections],
        "label": request.label,
        "test_label": request.test_label,
        "id": request.ids,
        "column": request.column,
        "embeddings": request.embeddings,
        "seeds": request.seeds,
        "baselines": list(request.baselines),
        "methods": {name: dict(values) for name, values in request.methods.items()},
        "ratio": [str(b.ratio) for b in request.budgets if b.ratio is not None],
        "count": sorted({b.rows(data.n) for b in request.budgets}),
        "balance": request.balance,
        "signals": {c.name: c.source.told for c in data.choosers if c.source is not None},
        "scores": {c.name: c.score for c in data.choosers if c.score is not None},
        "groups": request.groups,
        "fail_under": [f"{demand.measure}={demand.least}" for demand in request.demands],
    }
