"""GLISTER: rows whose gradients lower the loss of all rows, the network stepping as they come.

Source: Killamsetty, Sivasubramanian, Ramakrishnan & Iyer, "GLISTER: generalization based data
subset selection for efficient and robust learning", AAAI 2021, algorithm 2 and theorem 1.
Cost: O(r n c d) time for r rounds and c classes, O(n (c + d)) memory.
Robustness: rows that the network gets wrong have the long gradients; with wrong labels among the
rows, what lowers their loss is wanted too.
Deviates: the loss is that of the rows themselves, as in the authors' code where no validation set
is given; a step follows the mean gradient of all picks so far, for the sum that the paper writes
explodes after some hundred; rounds share the picks evenly.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import STATE_BYTES, last_layer, residual
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Glister"]


@dataclass(frozen=True, kw_only=True)
class Glister:
    """Pick in rounds what most lowers the loss of all rows after a step on the picks.

    Args:
        at: the network early on, or at the end of its training.
        step: learning rate of the step; 0 ranks once by the inner product with the mean gradient.
        rounds: of picking, each with a step of its own; as many as picks where they are fewer.
    """

    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = False

    at: Literal["early", "last"] = "early"
    step: float = 0.1
    rounds: int = 15

    def __post_init__(self) -> None:
        if not 0 <= self.step < np.inf:
            raise InvalidParameter(f"glister: step is {self.step}; it must be finite, at least 0")
        if self.rounds < 1:
            raise InvalidParameter(f"glister: rounds is {self.rounds}; it must be at least 1")

    @property
    def needs(self) -> frozenset[Field]:
        """A network."""
        return needs(self.at)

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows round by round, the best first; the score is the gain they were picked at."""
        order = np.argsort(data.key.rank)
        shot: Snapshot = getattr(data, self.at)
        codes, logits = data.targets[order], shot.logits[order].astype(np.float64)
        gradients = last_layer(shot, data.targets, order)
        wanted = gradients.total() / data.n
        picks, scores = np.empty(0, np.int64), np.empty(0)
        rounds = min(k, self.rounds)
        for number in range(rounds):
            count = (number + 1) * k // rounds - len(picks)
            gains = gradients.inner(wanted)
            best = ranked(gains, np.arange(data.n), "high")
            best = best[~np.isin(best, picks)][:count]
            picks, scores = np.append(picks, best), np.append(scores, gains[best])
            taken = gradients.take(picks).total() / len(picks)
            after = residual(logits - self.step * gradients.times(taken), codes)
            wanted = replace(gradients, left=after).total() / data.n
            data.progress(len(picks), k)
        return Picks(rows=order[picks], scores=scores)

    def cost(self, n: int, k: int) -> Cost:
        """Nothing of the vectors; gradients come from the signals."""
        return Cost(state=STATE_BYTES)
