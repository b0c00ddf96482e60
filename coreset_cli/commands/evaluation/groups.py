"""Every cell of a run: from files, from methods, and from the baselines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.selection import Selection, rows_in
from coreset_cli.artifacts.selection_file import read_selection
from coreset_cli.commands.evaluation.choosers import Chooser
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import (
    Choice,
    Draw,
    Group,
    choose_all,
    core_of,
    support_rows,
)
from coreset_cli.commands.evaluation.learned import Learned
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import Watch
from coreset_cli.commands.select_balance import build_selector
from coreset_cli.errors import InfeasibleBudget
from coreset_cli.io.digest import lines_digest
from coreset_cli.kernels.apportion import webster_turns
from coreset_cli.training.recipe import NetworkRecipe

__all__ = ["all_groups", "group_count"]


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
    files, told = _from_files(request, data, record)
    sizes = sorted({budget.rows(data.n) for budget in request.budgets})
    choices = [
        Choice(kind="method", chooser=chooser, k=k) for k in sizes for chooser in data.choosers
    ]
    chosen, notes = choose_all(choices, data, request.seeds, watch)
    groups = [*files, *chosen]
    if not _tells_roles(request):
        groups = [group.without_roles() for group in groups]
    if "random" in request.baselines:
        places = sorted(
            {group.place for group in groups}, key=lambda place: (*place[:2], place[2] or 0)
        )
        rivals = [_at_random(data, *place) for place in places]
        groups += choose_all(rivals, data, request.seeds, watch)[0]
    if "full" in request.baselines:
        rows = np.arange(data.n)
        whole = Draw(rows=rows, digest=lines_digest(data.train.ids.texts()))
        groups.append(Group(name="full", kind="full", balance="none", draws=(whole,)))
    return groups, tuple(dict.fromkeys((*told, *notes, *_uneven(groups))))


def _uneven(groups: Sequence[Group]) -> tuple[str, ...]:
    """Say which cells have another number of rows with another seed."""
    told = []
    for group in groups:
        sizes = [len(draw.rows) for draw in group.draws]
        if min(sizes) < max(sizes):
            told.append(
                f"{group.name} has {min(sizes):,} to {max(sizes):,} rows, as the seed is; it is "
                f"listed, and stands beside random, with {group.k:,}"
            )
    return tuple(told)


def _at_random(data: Data, k: int, balance: str, core: int | None) -> Choice:
    """What a result of k rows stands beside, of which so many are core rows."""
    selector = build_selector(make_method("random", {}), balance, data.train)
    chooser = Chooser(name="random", selector=selector)
    return Choice(kind="random", chooser=chooser, k=k, core=core)


def _from_files(
    request: Request, data: Data, record: InputRecord
) -> tuple[list[Group], tuple[str, ...]]:
    names = _short_names(request.selections)
    groups: list[Group] = []
    notes: list[str] = []
    for path in request.selections:
        if path in data.learned:
            groups.append(_from_synthetic(data.learned[path], names[path], request, data))
            continue
        selection = read_selection(path)
        rows, told = rows_in(
            selection, str(path), data.train.ids, data.train.path, record.ids_digest
        )
        if len(np.unique(rows)) != len(rows):
            raise InfeasibleBudget(f"{path} lists a row twice; a selection lists each row once")
        notes += (*told, *_lost_roles(selection, path, request))
        made = selection.manifest.parameters if selection.manifest is not None else {}
        balance = request.balance or made.get("balance") or "proportional"
        draw = Draw(
            rows=rows,
            weights=selection.weights,
            support=support_rows(rows, selection.support),
            digest=lines_digest(data.train.ids.take(rows).texts()),
        )
        groups.append(
            Group(
                name=names[path],
                kind="file",
                balance=str(balance),
                draws=(draw,),
                core=core_of(draw),
                asked=made.get("count"),
            )
        )
    return groups, tuple(notes)


def _from_synthetic(learned: Learned, name: str, request: Request, data: Data) -> Group:
    """A synthetic set; random rows beside it share the classes as it does.

    Raises:
        InfeasibleBudget: more images than there are rows to draw.
    """
    k, c = len(learned), len(data.labels.names)
    if k > data.n and "random" in request.baselines:
        raise InfeasibleBudget(
            f"{learned.path} has {k} images and {data.train.path} {data.n} rows, so no random rows "
            "stand beside it; leave them out with --baselines full"
        )
    counts, sizes = np.bincount(learned.codes, minlength=c), data.labels.counts()
    in_proportion = np.bincount(webster_turns(sizes, min(k, data.n)), minlength=c)
    equal = len(set(counts.tolist())) == 1 and (in_proportion != counts).any()
    draw = Draw(rows=np.arange(k), digest=learned.record.content_digest, learned=learned)
    return Group(
        name=name,
        kind="synthetic",
        balance=request.balance or ("equal" if equal else "proportional"),
        draws=(draw,),
    )


def _lost_roles(selection: Selection, path: Path, request: Request) -> tuple[str, ...]:
    """Say that support rows are trained on like core rows, because a list does not tell them."""
    facts = {} if selection.manifest is None else selection.manifest.facts
    if selection.roles is not None or not facts.get("support") or not _tells_roles(request):
        return ()
    return (
        f"{path} does not say which of its rows are support rows, and all are trained on alike; "
        "a selection in Parquet says it",
    )


def _tells_roles(request: Request) -> bool:
    """Support rows are trained on in another way than core rows."""
    recipe = request.training
    return isinstance(recipe, NetworkRecipe) and recipe.tells_roles


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names without folders, where they differ."""
    stems = [path.stem for path in paths]
    return {path: path.stem if stems.count(path.stem) == 1 else str(path) for path in paths}
