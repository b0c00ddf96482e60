"""One selector inside every class, the budget shared over the classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.apportion import equal_turns, first_turns, raised_quotas, webster_turns
from coreset_cli.kernels.groups import members
from coreset_cli.seeds import Rng
from coreset_cli.selector import Field, Inputs, Picks, Selector, choose, needs

__all__ = ["PerClass"]


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
        rows_of = members(data.labels.codes, len(sizes))
        places_of = members(turns, len(sizes))
        found: list[_Part] = []
        done = 0
        for rows, places in zip(rows_of, places_of, strict=True):
            if not len(places):
                continue

            def progress(step: int, total: int, done: int = done) -> None:
                data.progress(done + step, k)

            inside = choose(self.method, data.subset(rows, progress), len(places), rng)
            found.append(_Part(rows[inside.rows], places, inside))
            done += len(places)
        return _merged(found, k, notes)

    def passes(self, n: int, k: int) -> float:
        """As the method inside, for one class of the average size: each class is read alone."""
        return self.method.passes(n, k)

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


@dataclass(frozen=True)
class _Part:
    """What one class gives: its rows, their places among all picks, and the rest."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    picks: Picks


def _merged(parts: list[_Part], k: int, notes: tuple[str, ...]) -> Picks:
    rows = np.empty(k, np.int64)
    for part in parts:
        rows[part.places] = part.rows
        notes += part.picks.notes
    return Picks(
        rows=rows,
        scores=_placed(parts, k, [part.picks.scores for part in parts]),
        weights=_placed(parts, k, [part.picks.weights for part in parts]),
        notes=tuple(dict.fromkeys(notes)),
        facts=_largest([part.picks.facts for part in parts]),
    )


def _largest(facts: list[Mapping[str, float]]) -> dict[str, float]:
    """Each fact at its largest over the classes: the class that went worst."""
    names = dict.fromkeys(name for mine in facts for name in mine)
    return {name: max(mine[name] for mine in facts if name in mine) for name in names}


def _placed(
    parts: list[_Part], k: int, values: list[NDArray[np.float64] | None]
) -> NDArray[np.float64] | None:
    placed = np.empty(k)
    for part, mine in zip(parts, values, strict=True):
        if mine is None:
            return None
        placed[part.places] = mine
    return placed
