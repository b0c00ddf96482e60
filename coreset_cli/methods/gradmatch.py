"""GradMatch: weighted rows whose gradients sum to the gradient of all rows.

Source: Killamsetty, Sivasubramanian, Ramakrishnan, De & Iyer, "GRAD-MATCH: gradient matching based
data subset selection for efficient deep model training", ICML 2021, algorithms 1 and 2.
Cost: O(k n c d + k³) time, O(n (c + d) + k²) memory for c classes; one pass over the gradients a
pick.
Robustness: rows that the network gets wrong have the long gradients and come first, wrong labels
among them.
Deviates: the ridge is relative to the mean squared norm of the gradients, for the paper's absolute
one makes picks depend on how gradients are scaled; weights above 0 are solved for exactly; where
the target is met before k picks, the rows most aligned with it follow, not random ones. Batches
of `batch` go by id and match as sums, so that a short last one counts by its rows; the last one
picked is cut off at the budget; the paper's batches of all classes take `--balance none`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import STATE_BYTES, WHOLE_BYTES, Part, last_layer, part_of
from coreset_cli.kernels.minibatches import Minibatches
from coreset_cli.kernels.pursuit import Pursuit, pursue
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Gradmatch"]

FILLED = "gradients were matched by fewer rows than asked for: the most aligned ones follow"


@dataclass(frozen=True, kw_only=True)
class Gradmatch:
    """Match the sum of all gradients of the last layer with a weighted few.

    Args:
        at: the network early on, or at the end of its training.
        gradient: all of it (`layer`), in the biases alone (`bias`), or in the weights and the bias
            of the row's class alone (`own-class`, the paper's per-class per-gradient).
        batch: rows of the mini-batches that are matched in their place; 1 for rows alone.
        ridge: keeps weights small, relative to the mean squared norm of the gradients.
        tolerance: relative residual at which the match is good enough.
    """

    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = False

    at: Literal["early", "last"] = "early"
    gradient: Part = "layer"
    batch: int = 1
    ridge: float = 0.5
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("ridge", "tolerance"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InvalidParameter(
                    f"gradmatch: {name} is {getattr(self, name)}; it must be finite, at least 0"
                )
        if self.batch < 1:
            raise InvalidParameter(f"gradmatch: batch is {self.batch}; it must be at least 1")

    @property
    def needs(self) -> frozenset[Field]:
        """A network."""
        return needs(self.at)

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked, weighted so that their gradients sum to the target.

        The facts are the relative residual, and how many rows were added after the match.
        """
        if data.n == 1:
            return Picks(rows=np.array([0]), weights=np.ones(1), facts={"residual": 0.0})
        order = np.argsort(data.key.rank)
        shot: Snapshot = getattr(data, self.at)
        gradients = last_layer(shot, data.targets, order)
        gradients = part_of(gradients, self.gradient, data.targets[order])
        batches = Minibatches(data.n, self.batch)
        sums = batches.sums(gradients)
        target = sums.total()

        def matched(count: int) -> tuple[Pursuit, NDArray[np.int64]]:
            found = pursue(
                sums,
                target,
                count,
                ridge=self.ridge,
                tolerance=self.tolerance,
                progress=lambda done, of: data.progress(k * done // of, k),
            )
            aligned = ranked(sums.inner(target), np.arange(batches.count), "high")
            return found, aligned[~np.isin(aligned, found.rows)][: count - len(found.rows)]

        found, fill = matched(batches.fewest(k))
        if batches.sizes[np.append(found.rows, fill)].sum() < k:
            found, fill = matched(batches.fewest(k) + 1)
        least = found.weights.min() if len(found.rows) else 1.0
        weights = np.append(found.weights, np.full(len(fill), least))
        rows, weights = batches.spread(np.append(found.rows, fill), weights, k)
        return Picks(
            rows=order[rows],
            weights=weights,
            notes=(FILLED,) if len(fill) else (),
            facts={"residual": found.residual, "filled": len(fill)},
        )

    def cost(self, n: int, k: int) -> Cost:
        """Nothing of the vectors; gradients come from the signals."""
        held = 0 if self.batch == 1 else -(-WHOLE_BYTES // n)
        return Cost(state=STATE_BYTES + held)
