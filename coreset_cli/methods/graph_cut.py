"""Graph cut: pick rows that are similar to all rows and not to each other.

Source: Iyer, Khargoankar, Bilmes & Asanani, "Submodular combinatorial information measures with
applications in machine learning", ALT 2021; Wei, Iyer & Bilmes, "Submodularity in data subset
selection and active learning", ICML 2015.
Cost: O(k n d) time, O(n) memory beside the rows; one pass over the rows a pick.
Robustness: some: gross outliers are similar to few rows, but unlike the picks too, so they come
once the picks are many; wrong labels keep about their share.
Deviates: similarities are (1 + cos)/2 of the embeddings, not of gradients. Their sums follow from
the sum of all rows, so no pairs are looked at.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.cosine import Cosine
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.greedy import Greedy, maximise
from coreset_cli.kernels.submodular import GraphCut as Objective
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["GraphCut"]


@dataclass(frozen=True, kw_only=True)
class GraphCut:
    """Pick rows that are similar to all rows and not to each other.

    Args:
        weight: λ, of the similarity to all rows; from 2 on, picks never lower the value. Code with
            the weight on the other term calls its inverse λ.
        optimizer: `naive` compares all gains for every pick, `lazy` picks the same, `stochastic`
            compares those of drawn rows.
        epsilon: what `stochastic` may lose, a share of the best value; in (0, 1).
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True

    weight: float = 1.0
    optimizer: Literal["lazy", "naive", "stochastic"] = "lazy"
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise InvalidParameter(f"graph-cut: weight is {self.weight}; it must be at least 0")
        if not 0 < self.epsilon < 1:
            raise InvalidParameter(
                f"graph-cut: epsilon is {self.epsilon}; it must be above 0 and below 1"
            )

    @property
    def prefix(self) -> bool:
        """Draws depend on the number of picks."""
        return self.optimizer != "stochastic"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is the gain each was picked for."""
        objective = Objective(Cosine.of(fixed(data.embeddings.unit())), self.weight)
        run = Greedy(objective, k, data.progress, data.memo)
        picks, gains = maximise(run, self.optimizer, data.key, rng, self.epsilon)
        return Picks(rows=picks, scores=objective.scores(gains))

    def cost(self, n: int, k: int) -> Cost:
        """One pass a pick, and a few to begin."""
        return Cost(reads=1.0, passes=k + 3.0, grids=1.0, state=96)
