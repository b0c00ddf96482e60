"""The contract between the data, the methods and the commands.

A method is a frozen dataclass of hyperparameters with one function: `select` (a `Selector`) or
`score` (a `Score`). It sees rows and opaque keys, never ids, files or classes' quotas. `choose` is
the one door through which selectors run, so no method checks a budget.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import Dynamics, FloatArray, Snapshot
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.signals import Signals
from coreset_cli.errors import InfeasibleBudget, MissingInput
from coreset_cli.kernels.cost import Cost
from coreset_cli.kernels.memo import FORGETFUL, Memo
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.ranking import Keep
from coreset_cli.seeds import Key, Rng

__all__ = [
    "Cost",
    "Field",
    "Inputs",
    "Picks",
    "Progress",
    "Scope",
    "Score",
    "Selector",
    "choose",
    "needs",
    "silent",
]

Field = Literal["embeddings", "labels", "dynamics", "held_out", "early", "last", "given"]
"""What a method may ask for."""

Scope = Literal["pool", "global"]
"""Rank the pool a method is given, or all classes together by their own centres."""

Progress = Callable[[int, int], None]
"""Called with the picks done and the picks in all."""


def needs(*fields: Field) -> frozenset[Field]:
    """Declare what a method reads.

    Raises:
        ValueError: not a field of `Inputs`; a bug in the method's file.
    """
    if unknown := set(fields) - set(get_args(Field)):
        raise ValueError(f"no such input: {', '.join(sorted(unknown))}")
    return frozenset(fields)


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a method may ask for; row i of everything is the same sample.

    Args:
        key: rank and hash of each row's id.
        points: vectors, where there are any.
        classes: labels, where there are any.
        signals: what training showed of each row, where it was recorded.
        scores: [n] a score of each row that was made before, where there is one.
        progress: told of long work.
        memo: where long work leaves what it has done, and finds it again.
    """

    key: Key
    points: Points | None = None
    classes: Labels | None = None
    signals: Signals | None = None
    scores: NDArray[np.float64] | None = None
    progress: Progress = silent
    memo: Memo = FORGETFUL

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.key)

    @property
    def embeddings(self) -> Points:
        """The vectors.

        Raises:
            MissingInput: there are none.
        """
        if self.points is None:
            raise MissingInput("this method needs vectors; give an embedding file")
        return self.points

    @property
    def labels(self) -> Labels:
        """The labels.

        Raises:
            MissingInput: there are none.
        """
        if self.classes is None:
            raise MissingInput("this method needs labels; name a column or a file with --label")
        return self.classes

    @property
    def dynamics(self) -> Dynamics:
        """What training showed of each row in each epoch.

        Raises:
            MissingInput: there are no signals.
        """
        return self._signals.dynamics

    @property
    def early(self) -> Snapshot:
        """Logits, features and last layer of a network early on.

        Raises:
            MissingInput: there are no signals.
        """
        return self._signals.early

    @property
    def last(self) -> Snapshot:
        """Logits, features and last layer of a network at the end of its training.

        Raises:
            MissingInput: there are no signals.
        """
        return self._signals.last

    @property
    def targets(self) -> NDArray[np.int64]:
        """[n] the column of the logits that is each row's label.

        Raises:
            MissingInput: there are no signals.
        """
        return self._signals.labels.codes

    @property
    def held_out(self) -> FloatArray:
        """[n, c] logits of each row by a network that was not trained on it.

        Raises:
            MissingInput: there are no signals, or they hold no such logits.
        """
        if self._signals.held_out is None:
            raise MissingInput(
                "this method needs logits of rows that were held out of training; record them with "
                "`coreset evaluate --record FILE --record-folds 5`"
            )
        return self._signals.held_out

    @property
    def given(self) -> NDArray[np.float64]:
        """[n] a score of each row that was made before.

        Raises:
            MissingInput: there is none.
        """
        if self.scores is None:
            raise MissingInput(
                "this method ranks by a score made before; name a column of a table with "
                "--signals FILE --set column=NAME"
            )
        return self.scores

    @property
    def _signals(self) -> Signals:
        if self.signals is None:
            raise MissingInput(
                "this method needs signals of training; give vectors with labels, for a probe to "
                "be trained on, or --signals FILE of `coreset evaluate --record`"
            )
        return self.signals

    def subset(
        self, rows: NDArray[np.int64], progress: Progress, memo: Memo = FORGETFUL
    ) -> "Inputs":
        """The same of some rows, as a piece of work of its own."""
        return Inputs(
            key=self.key.take(rows),
            points=self.points and self.points.subset(rows).renumbered(),
            classes=self.classes and self.classes.take(rows),
            signals=self.signals and self.signals.take(rows),
            scores=None if self.scores is None else self.scores[rows],
            progress=progress,
            memo=memo,
        )

    def one_thread(self) -> "Inputs":
        """The same, computed by the caller's thread alone."""
        return replace(self, points=self.points and self.points.one_thread())


@dataclass(frozen=True, kw_only=True)
class Picks:
    """Rows in the order picked, best first.

    Args:
        rows: [k] distinct row numbers; support rows may come beside the k that were asked for.
        scores: [k] what the method ranked by, where it ranked.
        weights: [k] positive training weights, where the method gives any.
        support: [k] whether a row stands at the border of what another one represents, where the
            method tells core rows and support rows apart.
        notes: what the user should know.
        facts: what the method measured on its way, for the manifest.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    support: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)


class _Described(Protocol):
    """What every method declares beside its hyperparameters."""

    @property
    def needs(self) -> frozenset[Field]:
        """Fields of `Inputs` that are read."""
        ...

    @property
    def exact(self) -> bool:
        """The same picks for any threads, block size, storage and order of rows."""
        ...


@runtime_checkable
class Selector(_Described, Protocol):
    """A method that picks rows one after another."""

    @property
    def prefix(self) -> bool:
        """Whether the first rows of a selection are the smaller selection."""
        ...

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """Pick k distinct rows, best first."""
        ...

    def cost(self, n: int, k: int) -> Cost:
        """What picking k of n rows takes."""
        ...


@runtime_checkable
class Score(_Described, Protocol):
    """A method that gives every row one number."""

    @property
    def keep(self) -> Keep:
        """Which end of the ranking is kept."""
        ...

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] one number a row."""
        ...

    def cost(self, n: int, k: int) -> Cost:
        """What scoring n rows takes."""
        ...


def choose(selector: Selector, data: Inputs, k: int, rng: Rng) -> Picks:
    """Run a selector: what it needs and the budget are checked before, its picks after.

    Values are not looked at: vectors are finite because `select` scans them, and refuses NaN and
    Inf by file and row, before it comes here. Whoever calls this elsewhere must do the same.

    Args:
        selector: a method, or a composition of methods.
        data: what it may read.
        k: rows to pick.
        rng: all randomness.

    Raises:
        InfeasibleBudget: k is below 1 or above the number of rows.
        MissingInput: the method needs something that is not there.
    """
    if not 1 <= k <= data.n:
        raise InfeasibleBudget(
            f"cannot pick {k} of {data.n} rows; ask for 1 to {data.n} with --count or --ratio"
        )
    for needed in sorted(selector.needs):
        getattr(data, needed)
    picks = selector.select(data, k, rng)
    rows = np.unique(picks.rows)
    count = len(picks.rows)
    core = count if picks.support is None else np.count_nonzero(~picks.support)
    if k not in (count, core) or len(rows) != count or rows[0] < 0 or rows[-1] >= data.n:
        raise AssertionError(f"{selector} broke its contract: {k} distinct rows were asked for")
    return picks
