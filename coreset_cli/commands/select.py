"""`select`: vectors in, an index list out."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coreset_cli.artifacts.columns import label_files
from coreset_cli.artifacts.embeddings import Embeddings, Scan, open_embeddings, require_finite, scan
from coreset_cli.artifacts.lineage import parents_of
from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.artifacts.selection import Selection, roles_of
from coreset_cli.artifacts.selection_file import format_of, write_selection
from coreset_cli.commands.budget import Budget
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select_balance import build_selector
from coreset_cli.commands.select_loops import load_loops
from coreset_cli.commands.select_memo import NOTHING_UNFINISHED, Unfinished, key_of
from coreset_cli.commands.select_memory import planned_memory
from coreset_cli.commands.select_score import Column, given_column, score_told
from coreset_cli.commands.select_signals import Source, signals_source
from coreset_cli.compose.judged import Judged, inside_classes
from coreset_cli.device import find_device, watched_memory
from coreset_cli.io.atomic import refuse_existing, refuse_inside
from coreset_cli.io.digest import lines_digest
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, Picks, Score, Selector, choose

__all__ = ["Request", "Target", "Unfinished", "build_selector", "select"]

Watch = Callable[[str, int, int], None]
"""Told of a stage, the rows or picks done, and all of them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `select` for.

    Args:
        paths: inputs, as typed.
        method: name of a method.
        budget: rows to pick.
        settings: the method's parameters, as texts.
        balance: how classes share the budget, as `parse_balance` reads it; by default proportional
            where labels exist.
        min_per_class: rows every class gives at least.
        column: column of vectors.
        ids: column of ids.
        label: column or file of labels.
        signals: a file of signals, or settings of the probe that is trained for them; the table of
            a method that ranks by a column.
        seed: of all draws.
        device: where to compute.
        max_memory: bytes of anonymous memory that may be used.
    """

    paths: tuple[str, ...]
    method: str
    budget: Budget
    settings: Mapping[str, str]
    balance: str | None = None
    min_per_class: int = 0
    column: str | None = None
    ids: str | None = None
    label: str | None = None
    signals: str | None = None
    seed: int = 0
    device: str = "auto"
    max_memory: int = 1 << 62

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that is read, as typed."""
        return (*self.paths, *label_files(self.label, self.signals))


def select(
    request: Request, watch: Watch, unfinished: Unfinished = NOTHING_UNFINISHED
) -> Selection:
    """Open, check, pick.

    Args:
        request: what was asked for.
        watch: told of long work.
        unfinished: the folder of a run that can be continued; its key is known only here.

    Raises:
        CoresetError: whatever a user can act on.
    """
    with watched_memory() as peak:
        return _select(request, watch, unfinished, peak)


def _select(
    request: Request, watch: Watch, unfinished: Unfinished, peak: Callable[[], int]
) -> Selection:
    started = time.perf_counter()
    method = make_method(request.method, request.settings)
    device = find_device(request.device)
    data = open_embeddings(
        request.paths, column=request.column, ids=request.ids, label=request.label
    )
    k = request.budget.rows(data.matrix.n)
    selector = build_selector(method, request.balance, data, request.min_per_class)
    load_loops(selector, data.matrix.n * data.matrix.d, device)
    column = given_column(request.signals, method, selector, data, ids=request.ids)
    source = signals_source(request.signals if column is None else None, selector, data)
    memory = planned_memory(
        data,
        selector,
        k,
        limit=request.max_memory,
        device=device,
        beside=0 if source is None else source.memory(data),
    )
    memory.require(request.max_memory, data.matrix.n)
    found = scan(data, lambda done, total: watch("reading", done, total))
    require_finite(data, found)
    parameters = parameters_of(request, method, selector, k, source, column)
    made_of = [parameters["signals"], parameters["score"]]
    content = found.record.content_digest + json.dumps(made_of)
    key = key_of(request.method, parameters, request.seed, content, selector)
    points = Points(data.matrix, data.ids.key(), device, room=memory.room)
    signals = None
    if source is not None:
        signals = source.signals(
            data, points, request.seed, lambda done, total: watch("training", done, total)
        )
    inputs = Inputs(
        key=points.key,
        points=points,
        classes=data.labels,
        signals=signals,
        scores=None if column is None else column.values,
        progress=lambda done, total: watch("selecting", done, total),
        memo=unfinished.begin(key, k),
    )
    watch("judging" if isinstance(selector, Judged) else "selecting", 0, k)
    picks = choose(selector, inputs, k, Rng(request.seed))
    ids = data.ids.take(picks.rows)
    warnings = (*data.warnings, *zero_warning(data, found), *beside_warning(picks, k), *picks.notes)
    manifest = Manifest(
        command="select",
        parameters=parameters,
        inputs=(found.record,),
        parents=parents_of(data.files),
        seed=request.seed,
        method=request.method,
        count=len(picks.rows),
        selection_digest=lines_digest(ids.texts()),
        exact=selector.exact,
        prefix=selector.prefix,
        device=str(device),
        seconds=round(time.perf_counter() - started, 3),
        peak_memory=peak(),
        warnings=warnings,
        facts={**picks.facts, **_role_counts(picks)},
    )
    return Selection(
        rows=picks.rows,
        ids=ids,
        ranks=np.arange(len(picks.rows)),
        labels=None if data.labels is None else data.labels.take(picks.rows).texts(),
        weights=picks.weights,
        scores=picks.scores,
        roles=roles_of(picks.support),
        manifest=manifest,
    )


def zero_warning(data: Embeddings, found: Scan) -> tuple[str, ...]:
    """Say how many rows have no direction."""
    if not found.zero_rows:
        return ()
    return (f"{found.zero_rows} of {data.matrix.n} rows are all zero: cosine rules see them at 0",)


def beside_warning(picks: Picks, k: int) -> tuple[str, ...]:
    """Say how many rows come beside those that were asked for."""
    count = len(picks.rows)
    if count == k:
        return ()
    return (
        f"{count - k} support rows come beside the {k} rows asked for: compare what they train "
        f"with other selections of {count} rows",
    )


def _role_counts(picks: Picks) -> dict[str, float]:
    """Rows of each role, where there are several."""
    if picks.support is None:
        return {}
    support = int(picks.support.sum())
    return {"core": len(picks.rows) - support, "support": support}


def parameters_of(
    request: Request,
    method: Selector | Score,
    selector: Selector,
    k: int,
    source: Source | None,
    column: Column | None,
) -> dict[str, Any]:
    """Everything that decided the picks, defaults resolved."""
    classes = inside_classes(selector)
    return {
        "ratio": None if request.budget.ratio is None else str(request.budget.ratio),
        "count": k,
        "balance": "none" if classes is None else classes.balance,
        "min_per_class": request.min_per_class,
        "set": dict(vars(method)),
        "column": request.column,
        "id": request.ids,
        "label": request.label,
        "signals": None if source is None else source.told,
        "score": score_told(method, column),
    }


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a selection goes.

    Args:
        path: the file.
        form: its format.
    """

    path: Path
    form: str

    @classmethod
    def of(
        cls, path: Path, form: str | None, *, inputs: Sequence[str] = (), force: bool
    ) -> "Target":
        """Check the output before any work.

        Raises:
            OutputExists: it is there and `force` is not given.
            InvalidParameter: the format is not known, or it is one of the inputs.
        """
        refuse_inside(path, inputs)
        refuse_existing(path, force=force)
        return cls(path=path, form=format_of(path, form))

    @property
    def partial(self) -> Path:
        """The folder of unfinished work."""
        return self.path.with_name(f"{self.path.name}.partial")

    def write(self, selection: Selection) -> None:
        """Write it, whole or not at all."""
        write_selection(self.path, selection, self.form)
