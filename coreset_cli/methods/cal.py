"""CAL: rows predicted otherwise than the rows around them; contrastive active learning.

Source: Margatina, Vernikos, Barrault & Aletras, "Active learning by acquiring contrastive
examples", EMNLP 2021, algorithm 1.
Cost: O(n² d) time, O(n (m + c)) memory for m neighbours and c classes.
Robustness: none by default: wrong labels and outliers differ from the rows around them; on 4,000
rows of CIFAR-10N with 42 % wrong labels, 69 % of a tenth kept by a linear probe was wrong;
`keep=low` kept 16 %.
Deviates: neighbours come from the pool itself, not from rows that were labelled before, and the
divergence is symmetric by default.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.divergence import Predictions
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.neighbours import nearest_rows
from coreset_cli.kernels.ranking import Keep
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Cal"]


@dataclass(frozen=True, kw_only=True)
class Cal:
    """Keep rows by the mean divergence of their prediction from those of their neighbours.

    Args:
        keep: `high` keeps the largest scores; `low` the smallest, `middle` the middle ranks.
        neighbours: nearest rows that each row is compared with; 1 or more.
        divergence: half the Jeffreys divergence, or KL(neighbour ‖ row) as the paper has it.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings", "held_out")
    exact: ClassVar[bool] = False

    keep: Keep = "high"
    neighbours: int = 10
    divergence: Literal["jeffreys", "kl"] = "jeffreys"

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InvalidParameter(f"cal: neighbours is {self.neighbours}; it must be 1 or more")

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] mean divergence; 0 where there is no neighbour."""
        predictions = Predictions.of(data.held_out)
        near = nearest_rows(fixed(data.embeddings), self.neighbours, data.progress)
        rows, total = np.arange(data.n), np.zeros(data.n)
        for one in near.T:
            total += predictions.between(rows, one, self.divergence)
        return total / max(1, near.shape[1])

    def cost(self, n: int, k: int) -> Cost:
        """All pairs, in blocks; neighbours and predictions are held."""
        return Cost(reads=1.0, passes=n / 512, grids=1.0, state=96 + 16 * self.neighbours)
