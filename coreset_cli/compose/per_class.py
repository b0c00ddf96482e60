"""One selector inside every class, the budget shared over the classes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.apportion import equal_turns, raised_quotas, webster_turns
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
        quotas = np.bincount(turns, minlength=len(sizes))
        done = 0
        found: dict[int, tuple[NDArray[np.int64], Picks]] = {}
        for group in np.flatnonzero(quotas).tolist():
            members = np.flatnonzero(data.labels.codes == group)
            before = done

            def progress(step: int, total: int, before: int = before) -> None:
                data.progress(before + step, k)

            inside = choose(self.method, data.subset(members, progress), int(quotas[group]), rng)
            found[group] = (members, inside)
            done += int(quotas[group])
        return _merged(found, turns, notes)

    def passes(self, n: int, k: int) -> float:
        """As the method inside, for one class of the average size: each class is read alone."""
        return self.method.passes(n, k)

    def _turns(self, sizes: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        share = webster_turns if self.balance == "proportional" else equal_turns
        turns = share(sizes, k)
        if self.least == 0:
            return turns, ()
        raised = raised_quotas(np.bincount(turns, minlength=len(sizes)), sizes, self.least)
        if raised is None:
            return turns, (
                f"{k} rows are fewer than {self.least} for each of {len(sizes)} classes; "
                "--min-per-class is not met",
            )
        return webster_turns(sizes, int(sizes.sum()))[_first_of(sizes, raised)], ()


def _first_of(sizes: NDArray[np.int64], quotas: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of all turns are among the first `quotas` of their class."""
    turns = webster_turns(sizes, int(sizes.sum()))
    seen = np.zeros(len(turns), np.int64)
    for group, quota in enumerate(quotas):
        mine = np.flatnonzero(turns == group)
        seen[mine] = np.arange(len(mine)) < quota
    return seen.astype(bool)


def _merged(
    found: dict[int, tuple[NDArray[np.int64], Picks]],
    turns: NDArray[np.int64],
    notes: tuple[str, ...],
) -> Picks:
    rows = np.empty(len(turns), np.int64)
    scores = np.empty(len(turns)) if all(p.scores is not None for _, p in found.values()) else None
    weights = (
        np.empty(len(turns)) if all(p.weights is not None for _, p in found.values()) else None
    )
    for group, (members, picks) in found.items():
        mine = np.flatnonzero(turns == group)
        rows[mine] = members[picks.rows]
        if scores is not None:
            scores[mine] = picks.scores
        if weights is not None:
            weights[mine] = picks.weights
        notes += picks.notes
    return Picks(rows=rows, scores=scores, weights=weights, notes=tuple(dict.fromkeys(notes)))
