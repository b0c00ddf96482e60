"""One selector inside every class, the budget shared over the classes.

Classes of exact methods run side by side, each on one thread: what a class gives is placed by the
class, so neither the order they end in nor the number of threads changes a pick. On a GPU the
classes that one program each can follow run so too, and their chains of picks share launches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.compose.finished import Finished
from coreset_cli.compose.threads import Tally, side_by_side
from coreset_cli.kernels.apportion import equal_turns, first_turns, raised_quotas, webster_turns
from coreset_cli.kernels.cuda import chain
from coreset_cli.kernels.cuda.classes import AT_ONCE, pays
from coreset_cli.kernels.cuda.stream import fits
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.points import SMALL, Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Selector, choose, needs

__all__ = ["PerClass", "at_once", "picked_inside"]

Number = TypeVar("Number", bound=np.generic)

VALUE_BYTES = 48
"""Bytes that a class holds on a device for each of its values: rounded, as stored, and in double
precision as it is, as it is rounded, and three times more while distances to its centre are taken.
Counted, not measured."""


@dataclass(frozen=True, kw_only=True)
class PerClass:
    """Run a selector inside each class and merge the classes' lists.

    Args:
        method: what runs inside each class.
        balance: `proportional` keeps the classes' shares (Webster's rule), `equal` takes from
            each in turn while it has rows.
        least: rows every class gives at least; above 0, prefixes are not promised.
    """

    method: Selector
    balance: Literal["proportional", "equal"] = "proportional"
    least: int = 0

    @property
    def prefix(self) -> bool:
        """As the method inside, while no minimum is asked for."""
        return self.method.prefix and self.least == 0

    @property
    def exact(self) -> bool:
        """As the method inside."""
        return self.method.exact

    @property
    def needs(self) -> frozenset[Field]:
        """What the method inside needs, and labels."""
        return self.method.needs | needs("labels")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """Pick k rows, each class's own list in its turns."""
        sizes = data.labels.counts()
        turns, notes = self._turns(sizes, k)
        return picked_inside(self.method, data, data.labels.codes, turns, rng, notes=notes)

    def quotas(self, sizes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Rows that each class gives to a selection of k."""
        return np.bincount(self._turns(sizes, k)[0], minlength=len(sizes))

    def cost(self, n: int, k: int) -> Cost:
        """As the method inside, for one class of n rows: each class is read alone."""
        return self.method.cost(n, k)

    def _turns(self, sizes: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        share = webster_turns if self.balance == "proportional" else equal_turns
        turns = share(sizes, k)
        if self.least == 0:
            return turns, ()
        raised = raised_quotas(np.bincount(turns, minlength=len(sizes)), sizes, self.least)
        if raised is not None:
            return first_turns(share(sizes, int(sizes.sum())), raised), ()
        return turns, (
            f"{k} rows are fewer than {self.least} for each of {np.count_nonzero(sizes)} classes; "
            "--min-per-class is not met",
        )


def picked_inside(
    method: Selector,
    data: Inputs,
    codes: NDArray[np.int64],
    turns: NDArray[np.int64],
    rng: Rng,
    *,
    notes: tuple[str, ...] = (),
) -> Picks:
    """Run a selector inside each class, and place what it gives by the classes' turns.

    Args:
        method: what runs inside each class.
        data: all rows.
        codes: [n] class of each row; of whatever division of the rows.
        turns: [k] whose turn it is; a class has no more turns than rows.
        rng: all randomness.
        notes: what is known beforehand.
    """
    k, count = len(turns), int(codes.max()) + 1
    classes = [
        _Class(number, rows, places)
        for number, (rows, places) in enumerate(
            zip(members(codes, count), members(turns, count), strict=True)
        )
        if len(places)
    ]
    finished = Finished(data.memo)
    tally = Tally(data.progress, finished.asked, k)
    if finished.asked:
        data.progress(finished.asked, k)

    def inside(one: _Class, *, alone: bool) -> Picks:
        memo = data.memo.part(f"class-{one.number}")
        part = data.subset(one.rows, tally.of_a_piece(), memo)
        picks = choose(method, part if alone else part.one_thread(), len(one.places), rng)
        finished.add(one.number, picks, len(one.places), memo)
        return picks

    left = [one for one in classes if one.number not in finished.found]
    ahead, crowd = _divided(left, data.points, method)
    side_by_side(partial(inside, alone=True), ahead, 1, tally)
    workers = _workers(crowd, data.points, method)
    side_by_side(partial(inside, alone=False), crowd, workers, tally)
    return _merged(classes, finished.found, k, notes)


@dataclass(frozen=True)
class _Class:
    """A class: its number, its rows, and their places among all picks."""

    number: int
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def at_once(
    selector: Selector, sizes: Sequence[int], d: int, device: torch.device
) -> tuple[int, int]:
    """How many of the largest classes run alone, and how many of the others at once, at most.

    On a device those run at once that pick in chains, of rows that are rounded, and are small.

    Args:
        selector: runs them.
        sizes: rows of each, the largest first.
        d: values of a row.
        device: where it computes.
    """
    if not selector.exact:
        return len(sizes), 1
    if not chain.far(device):
        return 0, torch.get_num_threads()
    for place, n in enumerate(sizes):
        if selector.cost(n, 1).grids and pays(n * d, len(sizes) - place, device):
            return place, AT_ONCE
    return len(sizes), 1


def _divided(
    classes: list[_Class], points: Points | None, selector: Selector
) -> tuple[list[_Class], list[_Class]]:
    """Classes that run one after another on all threads, and those that run side by side.

    A class of more than half of all rows would keep one thread busy while the others have nothing
    left to do. Few values are done before threads are of use; rows in other places are read by one
    class at a time.
    """
    if points is None or points.comm.size > 1 or len(classes) <= 1 or not selector.exact:
        return classes, []
    largest_first = sorted(classes, key=lambda one: (-len(one.rows), one.number))
    sizes = [len(one.rows) for one in largest_first]
    if chain.far(points.device):
        ahead, _ = at_once(selector, sizes, points.d, points.device)
    elif sum(sizes) * points.d < SMALL:
        return classes, []
    else:
        fit = 2 * points.d * sizes[0] <= points.room
        ahead = int(not fit or 2 * sizes[0] > sum(sizes))
    return largest_first[:ahead], largest_first[ahead:]


def _workers(classes: list[_Class], points: Points | None, selector: Selector) -> int:
    """How many classes, the largest first, run at once: as many as there is room for."""
    if points is None or not classes:
        return 1
    d, device = points.d, points.device
    _, most = at_once(selector, [len(one.rows) for one in classes], d, device)
    if not chain.far(device):
        held = np.cumsum([2 * d * len(one.rows) for one in classes[:most]])
        return max(1, int(np.searchsorted(held, points.room, side="right")))

    def taken(one: _Class) -> int:
        cost = selector.cost(len(one.rows), len(one.places))
        return len(one.rows) * (VALUE_BYTES * d + cost.state) + 2 * cost.kept * d

    return sum(fits(int(held), device) for held in np.cumsum([*map(taken, classes[:most])]))


def _merged(
    classes: list[_Class], found: Mapping[int, Picks], k: int, notes: tuple[str, ...]
) -> Picks:
    picks = [found[one.number] for one in classes]
    notes += tuple(note for mine in picks for note in mine.notes)
    return Picks(
        rows=_placed(classes, k, [one.rows[found[one.number].rows] for one in classes]),
        scores=_placed_if_all(classes, k, [mine.scores for mine in picks]),
        weights=_placed_if_all(classes, k, [mine.weights for mine in picks]),
        support=_placed_if_all(classes, k, [mine.support for mine in picks]),
        notes=tuple(dict.fromkeys(notes)),
        facts=_largest([mine.facts for mine in picks]),
    )


def _largest(facts: list[Mapping[str, float]]) -> dict[str, float]:
    """Each fact at its largest over the classes: the class that went worst."""
    names = dict.fromkeys(name for mine in facts for name in mine)
    return {name: max(mine[name] for mine in facts if name in mine) for name in names}


def _placed(classes: list[_Class], k: int, values: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """Values of the classes' picks at their places; then, by class, those of rows beside the k."""
    placed = np.empty(k, values[0].dtype)
    beside = []
    for one, mine in zip(classes, values, strict=True):
        placed[one.places] = mine[: len(one.places)]
        beside.append(mine[len(one.places) :])
    return np.concatenate([placed, *beside])


def _placed_if_all(
    classes: list[_Class], k: int, values: Sequence[NDArray[Number] | None]
) -> NDArray[Number] | None:
    there = [mine for mine in values if mine is not None]
    return _placed(classes, k, there) if len(there) == len(values) else None
