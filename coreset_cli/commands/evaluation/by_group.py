"""From predictions to accuracy over groups of test rows."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.measured import ByGroup, Grouping, GroupScore, Share
from coreset_cli.artifacts.report import Cell
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Group
from coreset_cli.commands.evaluation.grouping import Grouped
from coreset_cli.commands.evaluation.summary import (
    columns_of,
    interval_or_none,
    stream_of,
    times_of,
)
from coreset_cli.kernels.risk import cell_tail, row_tail
from coreset_cli.training.bootstrap import Resampled, resample

__all__ = ["grouping_of", "with_groups"]

TAIL = Decimal("0.2")
"""Share of the groups, and of the rows, that are the worst ones."""


def grouping_of(grouped: Grouped) -> Grouping:
    """What the report says of the groups."""
    return Grouping(
        by=grouped.by,
        groups=len(grouped.test.names),
        counted=int(grouped.counted.sum()),
        assignment_digest=grouped.test.digest(),
        seed=grouped.seed,
    )


def with_groups(
    cells: Sequence[Cell],
    groups: Sequence[Group],
    outcomes: Sequence[Sequence[Outcome]],
    data: Data,
    grouped: Grouped,
    seed: int,
) -> tuple[Cell, ...]:
    """The same cells, each with its accuracy over the groups of test rows.

    Args:
        cells: one for each of `groups`.
        groups: the draws of each cell.
        outcomes: of every draw.
        data: what was predicted.
        grouped: the groups of test rows.
        seed: of the resamples.
    """
    right = [
        np.stack([outcome.predicted == data.target for outcome in found]) for found in outcomes
    ]
    scored = [
        _scored(np.average(hits, axis=0, weights=times_of(group)), group, grouped)
        for hits, group in zip(right, groups, strict=True)
    ]
    inside = [grouped.test.codes == grouped.test.names.index(found.worst) for found in scored]
    # One call draws the test rows for all: runs inside their cell's worst group, then the groups.
    masked = [hits & mask for hits, mask in zip(right, inside, strict=True)]
    order = np.argsort(data.test.ids.key().hash, kind="stable")
    drawn = resample(np.vstack([*masked, *inside]), order, seed).accuracy
    first = np.cumsum([0, *map(len, right)])
    found = []
    for place, (cell, group) in enumerate(zip(cells, groups, strict=True)):
        rows = drawn[:, first[-1] + place, None]
        runs = drawn[:, first[place] : first[place + 1]]
        shares = np.divide(runs, rows, out=np.full_like(runs, np.nan), where=rows > 0)
        own = Resampled(shares, seed).mean(columns_of(group, 0), stream_of(group))
        interval = interval_or_none(own[np.isfinite(own)])
        found.append(replace(cell, by_group=replace(scored[place], worst_interval=interval)))
    return tuple(found)


def _scored(hits: NDArray[np.float64], group: Group, grouped: Grouped) -> ByGroup:
    """Everything but the interval.

    Args:
        hits: [t] share of the runs that are right on each test row.
        group: the draws of the cell.
        grouped: the groups of test rows.
    """
    codes, sizes = grouped.test.codes, grouped.test.counts()
    accuracy = np.bincount(codes, hits, len(sizes)) / sizes
    counted = np.flatnonzero(grouped.counted)
    worst = int(counted[accuracy[counted].argmin()])
    errors = 1 - hits
    shares = _shares(group, grouped)
    return ByGroup(
        worst=grouped.test.names[worst],
        worst_rows=int(sizes[worst]),
        worst_accuracy=float(accuracy[worst]),
        worst_interval=None,
        mean=float(accuracy[counted].mean()),
        bottom_fifth=float(row_tail(-accuracy[counted], TAIL) @ accuracy[counted]),
        tail=float(cell_tail(errors, codes, TAIL) @ hits),
        groups=tuple(
            GroupScore(name=name, rows=int(size), accuracy=float(score), share=share)
            for name, size, score, share in zip(
                grouped.test.names, sizes, accuracy, shares, strict=True
            )
        ),
    )


def _shares(group: Group, grouped: Grouped) -> Sequence[Share | None]:
    """Share of each group among the rows kept, if any are rows, and among all; over the draws."""
    g = len(grouped.test.names)
    if grouped.train is None or group.draws[0].learned is not None:
        return [None] * g

    def part(codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(codes, minlength=g)[:g] / len(codes)

    parts = [part(grouped.train[draw.rows]) for draw in group.draws]
    kept = np.average(parts, axis=0, weights=times_of(group))
    return [Share(*pair) for pair in zip(kept.tolist(), part(grouped.train).tolist(), strict=True)]
