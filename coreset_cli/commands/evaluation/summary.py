"""From predictions to the numbers of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.artifacts.report import Cell, Interval, Run, Truth
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Draw, Group
from coreset_cli.commands.evaluation.truth import Known
from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.points import Points
from coreset_cli.training.bootstrap import interval_of, resample
from coreset_cli.training.fidelity import integrated_fidelity

__all__ = [
    "Centres",
    "columns_of",
    "fidelity_of",
    "find_centres",
    "interval_or_none",
    "stream_of",
    "summarise",
    "times_of",
]

Outcomes = Sequence[Sequence[Outcome]]
"""Of every draw of every group."""


@dataclass(frozen=True)
class Centres:
    """What a selection's mean should be near to.

    Args:
        clean: [d] mean of the clean rows.
        median: [d] geometric median of all rows.
    """

    clean: Tensor
    median: Tensor


def find_centres(points: Points | None, known: Known) -> tuple[Centres | None, tuple[str, ...]]:
    """Both centres of the vectors, where there are any.

    Where no row is clean, the mean of all stands in.
    """
    if points is None:
        return None, ()
    clean = np.flatnonzero(known.clean)
    median = geometric_median(fixed(points))
    told = () if median.converged else ("the geometric median did not converge",)
    rows = clean if len(clean) else np.arange(points.n)
    return Centres(_mean(points, Draw(rows=rows, digest="")), median.point), told


def summarise(
    groups: Sequence[Group],
    outcomes: Outcomes,
    data: Data,
    known: Known,
    centres: Centres | None,
    seed: int,
) -> tuple[Cell, ...]:
    """One cell a group, with its intervals against the baselines among the groups."""
    runs = [outcome for group in outcomes for outcome in group]
    correct = np.stack([outcome.predicted == data.target for outcome in runs])
    drawn = resample(correct, np.argsort(data.test.ids.key().hash, kind="stable"), seed)
    first = np.cumsum([0, *(len(group) for group in outcomes)])
    columns = [columns_of(group, int(start)) for group, start in zip(groups, first, strict=False)]
    means = [float(correct[place].mean()) for place in columns]
    full = next((m for m, g in zip(means, groups, strict=True) if g.kind == "full"), None)
    random = {group.place: number for number, group in enumerate(groups) if group.kind == "random"}
    cells = []
    for place, group in enumerate(groups):
        own = drawn.mean(columns[place], stream_of(group))
        rival = None if group.kind in {"random", "full"} else random.get(group.place)
        gain = gain_interval = None
        if rival is not None:
            gain = means[place] - means[rival]
            gain_interval = interval_or_none(
                own - drawn.mean(columns[rival], stream_of(groups[rival]))
            )
        cell = _cell(group, outcomes[place], data, known, centres)
        cells.append(
            replace(
                cell,
                accuracy=means[place],
                accuracy_interval=interval_or_none(own),
                gain=gain,
                gain_interval=gain_interval,
                relative=means[place] / full if full else None,
            )
        )
    return tuple(cells)


def fidelity_of(cells: Sequence[Cell]) -> Mapping[str, float]:
    """Integrated Fidelity Score of everything that has several budgets, beside a full set."""
    full = next((cell.accuracy for cell in cells if cell.kind == "full"), None)
    if not full:
        return {}
    curves: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.kind in {"method", "random"}:
            curves.setdefault(cell.curve, []).append(cell)
    return {
        name: integrated_fidelity([c.share for c in curve], [c.accuracy for c in curve], full)
        for name, curve in curves.items()
        if len({cell.k for cell in curve}) > 1
    }


def _cell(
    group: Group, outcomes: Sequence[Outcome], data: Data, known: Known, centres: Centres | None
) -> Cell:
    times, learned = times_of(group), group.draws[0].learned
    source = learned or data.own
    rows = [draw.rows for draw, count in zip(group.draws, times, strict=True) for _ in range(count)]
    recalls = np.average([_recalls(o, data) for o in outcomes], axis=0, weights=times)
    worst = int(np.nanargmin(recalls))
    runs = [
        Run(
            seed=draw.seeds,
            accuracy=float((outcome.predicted == data.target).mean()),
            cost=outcome.cost,
            best_accuracy=outcome.best_accuracy,
            best_epoch=outcome.best_epoch,
            converged=outcome.converged,
            selecting_seconds=None if draw.seconds is None else round(draw.seconds, 3),
            training_seconds=outcome.seconds,
            cached=outcome.cached,
            selection_digest=draw.digest,
        )
        for draw, outcome in zip(group.draws, outcomes, strict=True)
    ]
    return Cell(
        name=group.name,
        kind=group.kind,
        k=group.k,
        share=group.k / data.n,
        balance=group.balance,
        runs=tuple(runs),
        accuracy=0.0,
        accuracy_interval=None,
        gain=None,
        gain_interval=None,
        relative=None,
        worst_class=data.names[worst],
        worst_accuracy=float(recalls[worst]),
        truth=Truth() if learned is not None else known.of(rows),
        core=group.core,
        accounting=group.accounting,
        best=_mean_of([outcome.best_accuracy for outcome in outcomes]),
        by_group=None,
        factor=1 if source is None else source.factor,
        **({} if learned is not None else _distances(group, data.points, centres, times)),
    )


def times_of(group: Group) -> list[int]:
    """How many seeds each draw stands for: draws that coincide by chance count as often."""
    alone = len(group.draws) == 1
    return [1 if alone else len(draw.seeds) for draw in group.draws]


def columns_of(group: Group, first: int) -> list[int]:
    """Runs of a group among all runs, one a seed."""
    return [first + place for place, count in enumerate(times_of(group)) for _ in range(count)]


def stream_of(group: Group) -> str:
    """The same draws of seeds for the same selections."""
    return f"{group.name} {group.k} {group.balance}"


def interval_or_none(values: NDArray[np.float64]) -> Interval | None:
    """The interval of the values, where they vary."""
    found = interval_of(values)
    return None if found is None else Interval(*found)


def _recalls(outcome: Outcome, data: Data) -> NDArray[np.float64]:
    """Share of the test rows of each class predicted right; NaN for a class without any."""
    c = len(data.names)
    right = np.bincount(data.target[outcome.predicted == data.target], minlength=c)
    rows = np.bincount(data.target, minlength=c)
    return np.where(rows > 0, right / np.maximum(rows, 1), np.nan)


def _mean(points: Points, draw: Draw) -> Tensor:
    """[d] mean of the rows, weighted where they have weights."""
    weights = np.ones(len(draw.rows)) if draw.weights is None else draw.weights
    weight = torch.from_numpy(weights).to(points.device)
    chosen = points.subset(draw.rows)
    pulled = chosen.total(lambda start, block: weight[start : start + len(block)] @ block)
    return pulled / weight.sum()


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _distances(
    group: Group, points: Points | None, centres: Centres | None, times: Sequence[int]
) -> dict[str, float]:
    """How far the means of the selections lie from the centres, mean over the draws."""
    if points is None or centres is None:
        return {}
    found = {draw.same: _mean(points, draw) for draw in group.draws}
    means = [found[draw.same] for draw in group.draws]

    def to(centre: Tensor) -> float:
        return float(np.average([float((mean - centre).norm()) for mean in means], weights=times))

    return {"to_clean_mean": to(centres.clean), "to_median": to(centres.median)}
