"""The rows to train on, and methods that choose them with every seed."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.signals import Signals
from coreset_cli.commands.evaluation.choosers import Chooser
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.learned import Learned
from coreset_cli.commands.select import Watch, beside_warning
from coreset_cli.commands.select_balance import stratified
from coreset_cli.commands.select_signals import FromFile, Source
from coreset_cli.compose.judged import inside_classes
from coreset_cli.io.digest import lines_digest
from coreset_cli.seeds import Key, Rng
from coreset_cli.selector import Inputs, Picks, choose

__all__ = ["Choice", "Draw", "Group", "a_model_a_seed", "choose_all", "core_of", "support_rows"]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Rows to train on.

    Args:
        rows: [k] distinct rows of the training file, best first.
        weights: [k] training weights, where there are any.
        support: [s] those of the rows, ascending, of which a recipe draws some each epoch; none
            where rows have no roles, or all are trained on alike.
        seeds: the seeds that give these rows; none for a file and for the full set.
        seed: of training, where training draws.
        seconds: wall time of selecting, with that of the signals a method reads, whether or not
            it shared them; nothing for a file.
        digest: SHA-256 of the ids, one a line, in order; of the pixels of a synthetic set.
        learned: the set that the rows are of, in place of the training file.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None
    support: NDArray[np.int64] | None = None
    seeds: tuple[int, ...] = ()
    seed: int | None = None
    seconds: float | None = None
    digest: str
    learned: Learned | None = None

    def codes(self, labels: Labels) -> NDArray[np.int64]:
        """[k] class of each row, the training file having these labels."""
        return labels.codes[self.rows] if self.learned is None else self.learned.codes[self.rows]

    @property
    def same(self) -> tuple[str, bytes, bytes]:
        """Equal for equal rows in equal order with equal weights and roles."""
        return self.digest, _bytes(self.weights), _bytes(self.support)

    def without_roles(self) -> "Draw":
        """The same rows, all trained on alike."""
        return replace(self, support=None)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The draws of one cell.

    Args:
        name: of the method, the file or the baseline.
        kind: `file`, `method`, `synthetic`, `random` or `full`.
        balance: how classes shared the budget.
        draws: one a seed, or one in all where the seed decides nothing.
        core: how many rows are no support rows, where rows have roles.
        asked: how many rows were asked for, where that is known; support rows may be beside them.
    """

    name: str
    kind: str
    balance: str
    draws: tuple[Draw, ...]
    core: int | None = None
    asked: int | None = None

    @property
    def k(self) -> int:
        """Rows kept."""
        return len(self.draws[0].rows)

    @property
    def place(self) -> tuple[int, str, int | None]:
        """What random rows must have alike: number, balance, and core rows where roles matter."""
        roles_matter = self.draws[0].support is not None
        return self.k, stratified(self.balance), self.core if roles_matter else None

    @property
    def accounting(self) -> str | None:
        """Whether support rows are among the rows asked for; nothing where there are no roles."""
        if self.core is None or self.kind == "random":
            return None
        if self.asked is None:
            return "not stated"
        return "counted" if self.asked == self.k else "uncounted"

    def without_roles(self) -> "Group":
        """The same rows, all trained on alike."""
        return replace(self, draws=tuple(draw.without_roles() for draw in self.draws))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A method at one budget.

    Args:
        kind: `method`, or `random` for the baseline.
        chooser: the method.
        k: rows to keep.
        core: of random rows, how many stand for core rows; the others stand for support rows.
    """

    kind: str
    chooser: Chooser
    k: int
    core: int | None = None

    @property
    def balance(self) -> str:
        """How classes share the budget."""
        inside = inside_classes(self.chooser.selector)
        return "none" if inside is None else inside.balance


@dataclass(frozen=True)
class _Witness(Rng):
    """Draws as `Rng` does, and remembers whether any was asked for."""

    asked: list[str] = field(default_factory=list)

    def draws(self, purpose: str, key: Key) -> NDArray[np.uint64]:
        """One word a row, noted."""
        self.asked.append(purpose)
        return super().draws(purpose, key)


def choose_all(
    choices: Sequence[Choice], data: Data, seeds: int, watch: Watch
) -> tuple[list[Group], tuple[str, ...]]:
    """Select with every seed; once where the seed decides nothing.

    Signals are made once a seed for all methods that share them, and let go before the next are.

    Args:
        choices: methods and budgets.
        data: what is selected from.
        seeds: how many; 0 … seeds − 1.
        watch: told of long work.

    Returns:
        A group a choice, and what the user should know.

    Raises:
        CoresetError: whatever selecting raises.
    """
    found: list[dict[tuple[str, bytes, bytes], Draw]] = [{} for _ in choices]
    pending = set(range(len(choices)))
    notes: list[str] = []
    for seed in range(seeds):
        for source, places in _by_source(choices, pending):
            signals, seconds = _signals(source, data, seed, watch)
            for place in places:
                started, rng = time.perf_counter(), _Witness(seed)
                picks = _picks(choices[place], data, signals, rng, watch)
                spent = seconds + time.perf_counter() - started
                drawn = bool(rng.asked) or (source is not None and source.draws)
                if not drawn:
                    pending.remove(place)
                told = (*beside_warning(picks, choices[place].k), *picks.notes)
                notes += [f"{choices[place].chooser.name}: {note}" for note in told]
                draw = _draw(picks, data, (seed,) if drawn else tuple(range(seeds)), spent)
                before = found[place].get(draw.same)
                if before is not None:
                    draw = replace(before, seeds=(*before.seeds, seed))
                found[place][draw.same] = draw
    groups = [
        Group(
            name=choice.chooser.name,
            kind=choice.kind,
            balance=choice.balance,
            draws=tuple(draws.values()),
            core=core_of(next(iter(draws.values()))),
            asked=choice.k,
        )
        for choice, draws in zip(choices, found, strict=True)
    ]
    return groups, tuple(dict.fromkeys(notes))


def support_rows(
    rows: NDArray[np.int64], support: NDArray[np.bool_] | None
) -> NDArray[np.int64] | None:
    """Those of the rows that are support rows, ascending; nothing where there are none."""
    return None if support is None or not support.any() else np.sort(rows[support])


def core_of(draw: Draw) -> int | None:
    """How many rows are core rows, where some are not."""
    return None if draw.support is None else len(draw.rows) - len(draw.support)


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


def _by_source(
    choices: Sequence[Choice], pending: set[int]
) -> Iterator[tuple[Source | None, list[int]]]:
    """Places of the choices that are left, by where they get signals."""
    places: dict[Source | None, list[int]] = {}
    for place in sorted(pending):
        places.setdefault(choices[place].chooser.source, []).append(place)
    yield from places.items()


def _signals(
    source: Source | None, data: Data, seed: int, watch: Watch
) -> tuple[Signals | None, float]:
    """Signals of all rows for a seed, where any are read, and the seconds they took."""
    if source is None:
        return None, 0.0
    started = time.perf_counter()

    def progress(done: int, total: int) -> None:
        watch(f"signals, seed {seed}", done, total)

    if isinstance(source, FromFile):
        found = source.signals(data.samples, data.points, seed, progress)
    else:
        assert isinstance(data.samples, Embeddings)  # the request asks for them
        assert data.points is not None
        found = source.signals(data.samples, data.points, seed, progress)
    return found, time.perf_counter() - started


def _picks(choice: Choice, data: Data, signals: Signals | None, rng: Rng, watch: Watch) -> Picks:
    stage = f"{choice.chooser.name} {choice.k}"
    inputs = Inputs(
        key=data.train.ids.key(),
        points=data.points,
        classes=data.labels,
        signals=signals,
        scores=None if choice.chooser.column is None else choice.chooser.column.values,
        progress=lambda done, total: watch(stage, done, total),
    )
    picks = choose(choice.chooser.selector, inputs, choice.k, rng)
    if choice.core is None:
        return picks
    return replace(picks, support=np.arange(choice.k) >= choice.core)


def _draw(picks: Picks, data: Data, seeds: tuple[int, ...], seconds: float) -> Draw:
    """Weights are rounded as a file of the selection holds them, so both train one model."""
    weights = picks.weights
    return Draw(
        rows=picks.rows,
        weights=None if weights is None else weights.astype(np.float32).astype(np.float64),
        support=support_rows(picks.rows, picks.support),
        seeds=seeds,
        seconds=seconds,
        digest=lines_digest(data.train.ids.take(picks.rows).texts()),
    )


def _bytes(values: NDArray[np.generic] | None) -> bytes:
    return b"" if values is None else values.tobytes()
