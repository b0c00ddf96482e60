"""From result files to gaps: how far every contender is above or below random selection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from cells import (
    BUDGETS,
    CORRUPTIONS,
    OURS,
    SETS,
    UNSEEN,
    Cell,
    Contender,
    contenders,
    draws_of,
    references,
)
from job import Job, Record, correct_of, read
from numpy.typing import NDArray
from sets import has

from coreset_cli.training.bootstrap import Resampled, interval_of, resample

__all__ = ["CEILING", "Board", "Line", "Score", "load"]

CEILING = "herding, clean rows only"
"""What our method could reach: its matching, shown which rows are clean."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A contender at one budget of a board.

    Args:
        accuracy: on the clean test rows, mean over seeds.
        gap: to the mean of the random selections of the same rows and budget.
        interval: of the gap, paired, 95 %; none where nothing varies.
        corrupted: share of the rows kept.
        seeds: how many there are.
    """

    accuracy: float
    gap: float
    interval: tuple[float, float] | None
    corrupted: float
    seeds: int

    @property
    def verdict(self) -> int:
        """1 above random, −1 below, 0 where the interval holds both."""
        if self.interval is None:
            return 0
        return int(self.interval[0] > 0) - int(self.interval[1] < 0)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A contender on a board.

    Args:
        contender: which.
        scores: by budget.
        seconds: of selecting, median over seeds, at the headline budget.
        weighted: it gives weights.
        faults: what went wrong.
        notes: what the selections warned of.
    """

    contender: Contender
    scores: Mapping[str, Score]
    seconds: float | None
    weighted: bool
    faults: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """All contenders on one set with one corruption.

    Args:
        data: the set.
        corruption: its name.
        lines: by title.
        beside: our method by budget, its gap to `CEILING` instead of random selection.
    """

    data: str
    corruption: str
    lines: Mapping[str, Line]
    beside: Mapping[str, Score]


def load(folder: Path, seeds: int) -> list[Board]:
    """All boards that have a random baseline."""
    boards = (
        _board(folder, data, corruption, seeds)
        for data in (*SETS, *UNSEEN)
        for corruption in CORRUPTIONS
        if has(data, corruption)
    )
    return [board for board in boards if board is not None]


def _board(folder: Path, data: str, corruption: str, seeds: int) -> Board | None:
    cells = [Cell(data=data, corruption=corruption, seed=seed) for seed in range(seeds)]
    asked = [*references(cells[0]), *contenders(data, corruption)]
    found: dict[str, list[tuple[int, Contender, Record]]] = {}
    for cell in cells:
        for one in asked:
            record = read(Job(cell, one).file(folder))
            if record is not None:
                found.setdefault(one.title, []).append((cell.seed, one, record))
    runs = [
        (title, seed, budget, correct_of(result))
        for title, some in found.items()
        for seed, _, record in some
        for budget, result in record["budgets"].items()
    ]
    if not runs:
        return None
    measured = _Measured(
        runs, is_drawn=CORRUPTIONS[corruption].drawn, draws=draws_of(data, corruption)
    )
    lines = {title: _line(title, some, measured) for title, some in found.items()}
    if "random" not in lines or not lines["random"].scores:
        return None
    ceiling = CEILING if CEILING in lines else "herding"  # where nothing is corrupted
    beside = {name: measured.beside(ceiling, name) for name in BUDGETS}
    known = {name: score for name, score in beside.items() if score is not None}
    return Board(data=data, corruption=corruption, lines=lines, beside=known)


class _Measured:
    """Which test rows every run has right, resampled once for all of them.

    Args:
        runs: title, seed, budget and [t] what is right, of every run.
        is_drawn: every seed has a random baseline of its own.
        draws: that make a whole one.
    """

    def __init__(
        self, runs: Sequence[tuple[str, int, str, NDArray[np.bool_]]], *, is_drawn: bool, draws: int
    ) -> None:
        correct = np.stack([right for *_, right in runs])
        self.accuracy = correct.mean(1)
        self.drawn = resample(correct, np.arange(correct.shape[1]), 0)
        self.is_drawn, self.draws = is_drawn, draws
        self.columns: dict[tuple[str, int, str], list[int]] = {}
        for column, (title, seed, budget, _) in enumerate(runs):
            self.columns.setdefault((title, seed, budget), []).append(column)

    def score(self, title: str, budget: str, corrupted: Sequence[float]) -> Score | None:
        """One contender at one budget, over the seeds that have a whole random baseline."""
        own, gaps, pulled = [], [], []
        rival_budget = BUDGETS[0] if title == "full" else budget
        seeds = [s for t, s, b in self.columns if (t, b) == (title, budget)]
        for seed in seeds:
            rival = ("random", seed if self.is_drawn else 0, rival_budget)
            random = self.columns.get(rival, [])
            if len(random) < self.draws:
                continue
            columns = self.columns[title, seed, budget]
            beside = self.drawn.mean(random, f"random {seed} {rival_budget}")
            accuracy = float(self.accuracy[columns].mean())
            own.append(accuracy)
            gaps.append(accuracy - float(self.accuracy[random].mean()))
            pulled.append(self.drawn.accuracy[:, columns].mean(1) - beside)
        if not own:
            return None
        values = Resampled(np.stack(pulled, 1), 0).mean(range(len(own)), f"{title} {budget}")
        return Score(
            accuracy=fmean(own),
            gap=fmean(gaps),
            interval=None if title == "random" else interval_of(values),
            corrupted=fmean(corrupted),
            seeds=len(own),
        )

    def beside(self, ceiling: str, budget: str) -> Score | None:
        """Our method against its ceiling, over the seeds that have both."""
        seeds = [s for t, s, b in self.columns if (t, b) == (OURS, budget)]
        gaps, pulled, own = [], [], []
        for seed in seeds:
            columns = self.columns[OURS, seed, budget]
            rivals = self.columns.get((ceiling, seed if self.is_drawn else 0, budget), [])
            if not rivals:
                continue
            own.append(float(self.accuracy[columns].mean()))
            gaps.append(own[-1] - float(self.accuracy[rivals].mean()))
            difference = self.drawn.accuracy[:, columns] - self.drawn.accuracy[:, rivals]
            pulled.append(difference.mean(1))
        if not own:
            return None
        values = Resampled(np.stack(pulled, 1), 0).mean(range(len(own)), f"ceiling {budget}")
        return Score(
            accuracy=fmean(own),
            gap=fmean(gaps),
            interval=interval_of(values),
            corrupted=0.0,
            seeds=len(own),
        )


def _line(title: str, some: Sequence[tuple[int, Contender, Record]], measured: _Measured) -> Line:
    records = [record for *_, record in some]
    scores = {}
    for budget in ("1",) if title == "full" else BUDGETS:
        results = [r["budgets"][budget] for r in records if budget in r["budgets"]]
        score = measured.score(title, budget, [r["corrupted"] for r in results] or [0.0])
        if score is not None:
            scores[budget] = score
    times = [r["budgets"].get(BUDGETS[0], {}).get("select_seconds") for r in records]
    known = [time for time in times if time is not None]
    return Line(
        contender=some[0][1],
        scores=scores,
        seconds=median(known) if known else None,
        weighted=any(found["weighted"] for r in records for found in r["budgets"].values()),
        faults=tuple(dict.fromkeys(r["error"] for r in records if "error" in r)),
        notes=tuple(dict.fromkeys(note for r in records for note in r["notes"])),
    )
