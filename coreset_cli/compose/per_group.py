"""A selector inside groups of alike rows, the budget shared by how badly the groups are predicted.

Groups are clusters of directions, inside each class where rows have labels. The risk of a row is
the loss of its label under a model that was not trained on it; a group's share of the budget is
the weight of its rows in the mixture of their plain mean and the tail across groups. That gives
more rows to what is hard, and what is mislabelled is hardest of all: with label noise it chases
the noise, unless `trim` leaves out about as many of the largest losses.

Measured, 500 of Banking77's 10,003 vectors by herding, a linear model, one seed; accuracy of the
worst of 77 classes, and of all test rows: by equal shares of classes 55 % and 81 %, by proportional
ones 33 and 79, by `cvar` 28 and 71. With a fifth of the labels wrong: 28 and 77, 3 and 76, 0 and 45
(44 % of its rows were wrong), and 18 and 68 with `trim=0.2`. So equal shares are to be tried first.

Source: the risk: Vahidian et al., "Group distributionally robust dataset distillation with risk
minimization", arXiv 2402.04676, there for synthetic sets; shares of a budget by it are ours.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.labels import Labels
from coreset_cli.compose.per_class import picked_inside
from coreset_cli.kernels.apportion import webster_turns, weighted_turns
from coreset_cli.kernels.clustering import numbered_by_id
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.kmeans import CENTRES_HELD, MOST_ROUNDS, spherical_kmeans
from coreset_cli.kernels.risk import Risk, log_losses
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Selector, needs

__all__ = ["PerGroup"]

HELD = 48
"""Bytes a row of groups, losses, weights and whose turn it is."""


UNCONVERGED = f"k-means was stopped after {MOST_ROUNDS} rounds; its groups still changed a little"


@dataclass(frozen=True, kw_only=True)
class PerGroup:
    """Run a selector inside each group and merge the groups' lists.

    Args:
        method: what runs inside each group.
        groups: clusters of each class, 1 or more, or of all rows without labels; at most its rows.
        risk: what each row weighs in its group's share; plain, groups keep their sizes' shares.
    """

    method: Selector
    groups: int
    risk: Risk

    @property
    def balance(self) -> str:
        """As it is typed."""
        of_risk = ",".join(
            f"{name}={getattr(self.risk, name):g}" for name in ("level", "mix", "trim")
        )
        return f"cvar:groups={self.groups},{of_risk}"

    @property
    def prefix(self) -> bool:
        """As the method inside: no share depends on k."""
        return self.method.prefix

    @property
    def exact(self) -> bool:
        """As the method inside, where no loss of a trained model is read."""
        return self.method.exact and self.risk.plain

    @property
    def needs(self) -> frozenset[Field]:
        """What the method inside needs, vectors, and where losses count, held-out logits."""
        return self.method.needs | self.reads(self.risk)

    @staticmethod
    def reads(risk: Risk) -> frozenset[Field]:
        """What sharing by a risk reads, beside what a method does."""
        return needs("embeddings") if risk.plain else needs("embeddings", "held_out")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """Pick k rows, each group's own list in its turns; facts tell of every group."""
        found = _found(data, self.groups, rng)
        sizes = np.bincount(found.codes)
        facts: dict[str, NDArray[np.generic]] = {"rows": sizes}
        if self.risk.plain:
            facts["mass"], turns = sizes / data.n, webster_turns(sizes, k)
        else:
            order = np.argsort(data.key.rank)  # sums, and which of equal losses is the larger
            losses, codes = log_losses(data.held_out, data.targets)[order], found.codes[order]
            masses = np.bincount(codes, self.risk.weights(losses, codes))
            turns = weighted_turns(masses, sizes, k)
            facts |= {"loss": np.bincount(codes, losses) / sizes, "mass": masses}
        facts["quota"] = np.bincount(turns, minlength=len(sizes))
        notes = () if found.converged else (UNCONVERGED,)
        picks = picked_inside(self.method, data, found.codes, turns, rng, notes=notes)
        told = {
            f"group {name}: {what}": float(value)
            for what, values in facts.items()
            for name, value in zip(found.names, values, strict=True)
        }
        return replace(picks, facts={**picks.facts, **told})

    def quotas(self, sizes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Rows that each class gives to a selection of k, at most."""
        return np.minimum(sizes, k)

    def cost(self, n: int, k: int) -> Cost:
        """Of the clusters, then of the method inside for one group of n rows."""
        most = min(self.groups, n)
        clusters = Cost(passes=min(most, 100) + 20.0, grids=1.0, kept=CENTRES_HELD * most, state=96)
        return clusters.then(self.method.cost(n, k), HELD)


@dataclass(frozen=True)
class _Found:
    """Groups of all rows.

    Args:
        codes: [n] group of each row; none is empty.
        names: of the groups: the class, where there are any, and a number inside it.
        converged: k-means did, in every class.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    converged: bool


def _found(data: Inputs, groups: int, rng: Rng) -> _Found:
    """Clusters of the rows of each class, numbered by their smallest ids."""
    classes = data.classes or Labels(np.zeros(data.n, np.int64), ("",))
    codes, names, converged = np.empty(data.n, np.int64), list[str](), True
    for label, rows in zip(classes.names, members(classes.codes, len(classes.names)), strict=True):
        inside, count = np.zeros(len(rows), np.int64), min(groups, len(rows))
        if count > 1:
            part = data.embeddings.subset(rows).renumbered().unit()
            clusters = spherical_kmeans(fixed(part), count, rng)
            rank = np.argsort(np.argsort(part.key.rank))
            inside = numbered_by_id(clusters.codes.cpu().numpy(), rank)
            converged &= clusters.converged
        codes[rows] = len(names) + inside
        names += [f"{label}/{number}" if label else str(number) for number in range(count)]
    return _Found(codes, tuple(names), converged)
