"""The rows to train on: from files, from methods, and from the baselines."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.selection import rows_in
from coreset_cli.artifacts.selection_file import read_selection
from coreset_cli.commands.budget import Budget
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import Balance, Watch, build_selector
from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import InfeasibleBudget
from coreset_cli.io.digest import lines_digest
from coreset_cli.seeds import Key, Rng
from coreset_cli.selector import Inputs, choose

__all__ = ["Draw", "Group", "a_model_a_seed", "all_groups", "group_count"]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Rows to train on.

    Args:
        rows: [k] distinct rows of the training file, best first.
        weights: [k] training weights, where there are any.
        seeds: the seeds that give these rows; none for a file and for the full set.
        seed: of training, where training draws.
        seconds: wall time of selecting; nothing for a file.
        digest: SHA-256 of the ids, one a line, in order.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None
    seeds: tuple[int, ...] = ()
    seed: int | None = None
    seconds: float | None = None
    digest: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The draws of one cell.

    Args:
        name: of the method, the file or the baseline.
        kind: `file`, `method`, `random` or `full`.
        balance: how classes shared the budget.
        draws: one a seed, or one in all where the seed decides nothing.
    """

    name: str
    kind: str
    balance: str
    draws: tuple[Draw, ...]

    @property
    def k(self) -> int:
        """Rows kept."""
        return len(self.draws[0].rows)


@dataclass(frozen=True)
class _Witness(Rng):
    """Draws as `Rng` does, and remembers whether any was asked for."""

    asked: list[str] = field(default_factory=list)

    def draws(self, purpose: str, key: Key) -> NDArray[np.uint64]:
        """One word a row, noted."""
        self.asked.append(purpose)
        return super().draws(purpose, key)


def group_count(request: Request, n: int) -> tuple[int, int]:
    """Budgets that occur among the methods, and the most rows a cell trains on, before selecting.

    Raises:
        InfeasibleBudget: more rows than there are.
    """
    sizes = {budget.rows(n) for budget in request.budgets}
    largest = n if "full" in request.baselines else max(sizes, default=n)
    return len(sizes), largest


def all_groups(
    request: Request, data: Data, record: InputRecord, watch: Watch
) -> tuple[list[Group], tuple[str, ...]]:
    """Every cell of the run: results first, then the baselines they stand beside.

    Raises:
        CoresetError: whatever reading or selecting raises.
    """
    notes: list[str] = []
    groups = _from_files(request, data, record, notes)
    for budget in _distinct(request.budgets, data.n):
        for name, settings in request.methods.items():
            groups.append(_by_method(name, "method", settings, budget, request, data, watch, notes))
    if "random" in request.baselines:
        places = dict.fromkeys((group.k, group.balance) for group in groups)
        for k, balance in sorted(places):
            same = _with_balance(request, balance)
            groups.append(
                _by_method("random", "random", {}, Budget(count=k), same, data, watch, notes)
            )
    if "full" in request.baselines:
        rows = np.arange(data.n)
        whole = Draw(rows=rows, digest=lines_digest(data.train.ids.texts()))
        groups.append(Group(name="full", kind="full", balance="none", draws=(whole,)))
    return groups, tuple(dict.fromkeys(notes))


def a_model_a_seed(groups: Sequence[Group], seeds: int) -> list[Group]:
    """The same groups for models whose training draws too: one draw of rows, one model, a seed.

    The time of a selection is counted once.
    """
    found = []
    for group in groups:
        draws = []
        for draw in group.draws:
            for place, seed in enumerate(draw.seeds or range(seeds)):
                seconds = draw.seconds if place == 0 else None
                draws.append(replace(draw, seeds=(seed,), seed=seed, seconds=seconds))
        found.append(replace(group, draws=tuple(draws)))
    return found


def _from_files(request: Request, data: Data, record: InputRecord, notes: list[str]) -> list[Group]:
    names = _short_names(request.selections)
    groups = []
    for path in request.selections:
        selection = read_selection(path)
        rows, told = rows_in(
            selection, str(path), data.train.ids, data.train.path, record.ids_digest
        )
        if len(np.unique(rows)) != len(rows):
            raise InfeasibleBudget(f"{path} lists a row twice; a selection lists each row once")
        notes += told
        made = selection.manifest.parameters if selection.manifest is not None else {}
        balance = request.balance or made.get("balance") or "proportional"
        draw = Draw(
            rows=rows,
            weights=selection.weights,
            digest=lines_digest(data.train.ids.take(rows).texts()),
        )
        groups.append(Group(name=names[path], kind="file", balance=str(balance), draws=(draw,)))
    return groups


def _by_method(
    name: str,
    kind: str,
    settings: Mapping[str, str],
    budget: Budget,
    request: Request,
    data: Data,
    watch: Watch,
    notes: list[str],
) -> Group:
    """Select with every seed; once where no draw was asked for."""
    selector = build_selector(make_method(name, settings), request.balance, data.train)
    k = budget.rows(data.n)
    stage = f"{name} {k}"
    inputs = Inputs(
        key=data.train.ids.key(),
        points=data.points,
        classes=data.labels,
        progress=lambda done, total: watch(stage, done, total),
    )
    draws: dict[str, Draw] = {}
    for seed in range(request.seeds):
        started, rng = time.perf_counter(), _Witness(seed)
        picks = choose(selector, inputs, k, rng)
        seconds = time.perf_counter() - started
        notes += [f"{name}: {note}" for note in picks.notes]
        digest = lines_digest(data.train.ids.take(picks.rows).texts())
        seeds = (seed,) if rng.asked else tuple(range(request.seeds))
        if digest in draws:
            seeds, seconds = (*draws[digest].seeds, seed), draws[digest].seconds or seconds
        draws[digest] = Draw(
            rows=picks.rows, weights=picks.weights, seeds=seeds, seconds=seconds, digest=digest
        )
        if not rng.asked:
            break
    balance = selector.balance if isinstance(selector, PerClass) else "none"
    return Group(name=name, kind=kind, balance=balance, draws=tuple(draws.values()))


def _with_balance(request: Request, balance: str) -> Request:
    return replace(request, balance=cast("Balance", balance))


def _distinct(budgets: Sequence[Budget], n: int) -> list[Budget]:
    """Budgets of different numbers of rows, ascending."""
    found = {budget.rows(n): budget for budget in budgets}
    return [found[k] for k in sorted(found)]


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names without folders, where they differ."""
    stems = [path.stem for path in paths]
    return {path: path.stem if stems.count(path.stem) == 1 else str(path) for path in paths}
