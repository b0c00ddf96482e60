"""Greedy maximisation of a set function with diminishing gains."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from coreset_cli.kernels.memo import FORGETFUL, Memo
from coreset_cli.kernels.submodular import Objective
from coreset_cli.seeds import Key, Rng

__all__ = ["Greedy", "Optimizer", "lazy", "maximise", "naive", "stochastic"]

Optimizer = Literal["lazy", "naive", "stochastic"]
"""How the row of the largest gain is found."""

FEWEST = 16
"""Gains that are computed again at a time; twice as many whenever they did not settle a pick."""


@dataclass
class Greedy:
    """Rows added to an objective one after another.

    Args:
        objective: what they are added to.
        k: rows to pick.
        progress: called with picks done and in all.
        memo: where the picks are kept.
    """

    objective: Objective
    k: int
    progress: Callable[[int, int], None]
    memo: Memo = FORGETFUL
    picks: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    _rank: Int64[NDArray[np.int64], " n"] = field(init=False)

    def __post_init__(self) -> None:
        """Add what an earlier run kept."""
        self._rank = self.objective.rank.cpu().numpy()
        kept = self.memo.recall()
        if kept is not None:
            self.picks, self.gains = kept["picks"].tolist(), kept["gains"].tolist()
            for row in self.picks:
                self.objective.add(row)

    @property
    def left(self) -> bool:
        """Whether there are rows to pick."""
        return len(self.picks) < self.k

    def rows_left(self) -> Int64[NDArray[np.int64], " m"]:
        """Rows that are not picked."""
        free = np.ones(len(self.objective.rank), np.bool_)
        free[self.picks] = False
        return np.flatnonzero(free)

    def best(self, gains: NDArray[np.float64], rows: NDArray[np.int64] | None = None) -> int:
        """Place of the largest gain; of equal ones, that of the smallest id.

        Args:
            gains: of some rows, or of all.
            rows: these rows.
        """
        ties = np.flatnonzero(gains == gains.max())
        if len(ties) == 1:
            return int(ties[0])
        return int(ties[self._rank[ties if rows is None else rows[ties]].argmin()])

    def pick(self, row: int, gain: float) -> None:
        """Add a row."""
        self.picks.append(row)
        self.gains.append(gain)
        self.progress(len(self.picks), self.k)
        if self.left:
            self.objective.add(row)
            if self.memo.due():
                state = {"picks": np.array(self.picks), "gains": np.array(self.gains)}
                self.memo.keep(state, len(self.picks))


def naive(run: Greedy) -> None:
    """Add, each time, the row of the largest gain, from the gains of all rows.

    At least 1 − 1/e of the best set where the function is monotone.

    Source: Nemhauser, Wolsey & Fisher, "An analysis of approximations for maximizing submodular set
    functions", Mathematical Programming 14, 1978.

    Args:
        run: what is picked so far; changed in place.
    """
    while run.left:
        rows = run.rows_left()
        gains = run.objective.gains(rows)
        best = run.best(gains, rows)
        run.pick(int(rows[best]), float(gains[best]))


def lazy(run: Greedy) -> None:
    """Pick as `naive` does, ties included, from few gains.

    A gain computed earlier bounds the gain now. A row is picked when its gain of now is not below
    any bound, and no row of an equal bound has a smaller id.

    Source: Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.

    Args:
        run: what is picked so far; changed in place.
    """
    n = len(run.objective.rank)
    rows = run.rows_left()
    bounds = np.full(n, -np.inf)
    if run.left:
        bounds[rows] = run.objective.gains(rows)
    fresh = np.ones(n, np.bool_)
    while run.left:
        few = FEWEST
        top = run.best(bounds)
        while not fresh[top]:
            known = bounds[fresh].max(initial=-np.inf)
            stale = np.flatnonzero(~fresh & (bounds >= known) & (bounds > -np.inf))
            if len(stale) > few:
                stale = stale[np.argpartition(-bounds[stale], few)[:few]]
            stale = np.sort(stale)
            bounds[stale] = run.objective.gains(stale)
            fresh[stale] = True
            few *= 2
            top = run.best(bounds)
        gain = float(bounds[top])
        bounds[top] = -np.inf
        fresh[:] = False
        run.pick(top, gain)


def stochastic(run: Greedy, key: Key, rng: Rng, epsilon: float) -> None:
    """Add, each time, the row of the largest gain among ⌈(n/k) ln(1/ε)⌉ drawn rows.

    At least 1 − 1/e − ε of the best set in expectation where the function is monotone.

    Source: Mirzasoleiman, Badanidiyuru, Karbasi, Vondrák & Krause, "Lazier than lazy greedy", AAAI
    2015, algorithm 1.

    Args:
        run: what is picked so far; changed in place.
        key: ids of the rows.
        rng: draws the rows of every pick anew.
        epsilon: in (0, 1).
    """
    size = max(1, math.ceil(len(key) / run.k * math.log(1 / epsilon) - 1e-9))
    while run.left:
        rows = run.rows_left()
        words = rng.draws(f"stochastic greedy {len(run.picks)}", key)[rows]
        few = min(size, len(rows))
        near = np.flatnonzero(words <= np.partition(words, few - 1)[few - 1])
        rows = np.sort(rows[near[np.lexsort((key.rank[rows[near]], words[near]))][:few]])
        gains = run.objective.gains(rows)
        best = run.best(gains, rows)
        run.pick(int(rows[best]), float(gains[best]))


def maximise(
    run: Greedy, optimizer: Optimizer, key: Key, rng: Rng, epsilon: float
) -> tuple[Int64[NDArray[np.int64], " k"], Float64[NDArray[np.float64], " k"]]:
    """The rows in the order picked, and the gain of each when it was.

    Args:
        run: what is picked so far.
        optimizer: how the row of the largest gain is found.
        key: ids of the rows; for draws.
        rng: for draws.
        epsilon: of `stochastic`.
    """
    if optimizer == "stochastic":
        stochastic(run, key, rng, epsilon)
    else:
        (lazy if optimizer == "lazy" and not run.objective.ready else naive)(run)
    return np.array(run.picks, np.int64), np.array(run.gains)
