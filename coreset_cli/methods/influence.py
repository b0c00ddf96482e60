"""Influence: leave out rows whose removal, all together, hardly moves the network.

Source: Yang, Xie, Peng, Xu, Sun & Li, "Dataset pruning: reducing training data by examining
generalization influence", ICLR 2023 (arXiv 2205.09329), equations 4 and 6; called
optimization-based pruning elsewhere.
Cost: O(n (c² + d²) + d³ + s c d) time for s = 20 n swaps and c classes, O(n (c + d)) memory;
`hessian=exact` O(n c² d² + c³ d³) and O(n c d + c² d²), where that is at most 512 MiB.
Robustness: little: what is left out must balance, so corrupted rows are kept at about their share.
Deviates: parameters are the last layer's, and its Hessian is that of the rows at hand, damped by a
part of its mean eigenvalue and not by the weight decay, and by default two Kronecker factors;
annealing ends in a descent. For the paper's single problem over
all classes, use `--balance none`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.cancelling import cancelling, norm_of_sum
from coreset_cli.kernels.gradients import STATE_BYTES, WHOLE_BYTES, last_layer, probabilities
from coreset_cli.kernels.influences import exact_influences, influences
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Influence"]


@dataclass(frozen=True, kw_only=True)
class Influence:
    """Leave out the rows whose influences on the parameters sum to the least.

    Args:
        at: the network at the end of its training, or early on.
        hessian: two Kronecker factors (`factors`), or the Hessian itself (`exact`).
        damping: added to the Hessian, or to each factor, relative to its mean eigenvalue.
    """

    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = False

    at: Literal["early", "last"] = "last"
    hessian: Literal["factors", "exact"] = "factors"
    damping: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.damping < np.inf:
            raise InvalidParameter(f"influence: damping is {self.damping}; it must be above 0")

    @property
    def needs(self) -> frozenset[Field]:
        """A network."""
        return needs(self.at)

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows that stay, by id; the fact is how far leaving out the others moves it."""
        if k == data.n:
            return Picks(rows=np.argsort(data.key.rank), facts={"moved": 0.0})
        order = np.argsort(data.key.rank)
        shot: Snapshot = getattr(data, self.at)
        solved = influences if self.hessian == "factors" else exact_influences
        moves = solved(
            last_layer(shot, data.targets, order),
            probabilities(shot.logits[order]),
            self.damping,
        )
        place = np.argsort(order)
        start = place[rng.shuffled("influence", data.key)[: data.n - k]]
        words = rng.draws("influence swaps", data.key)
        random = np.random.default_rng(int(np.bitwise_xor.reduce(words)))
        out = cancelling(moves, start, random, lambda step, of: data.progress(step * k // of, k))
        stay = np.setdiff1d(np.arange(data.n), out)
        return Picks(rows=order[stay], facts={"moved": norm_of_sum(moves, out)})

    def cost(self, n: int, k: int) -> Cost:
        """Nothing of the vectors; gradients come from the signals."""
        held = 0 if self.hessian == "factors" else -(-WHOLE_BYTES // n)
        return Cost(state=STATE_BYTES + held)
