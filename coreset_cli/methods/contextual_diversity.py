"""Contextual diversity: pick, each time, the row whose prediction is farthest from all picks.

Source: Agarwal, Arora, Anand & Arora, "Contextual diversity for active learning", ECCV 2020, for
one prediction a row.
Cost: O(k n c) time for c classes beside the training, O(n c) memory; one pass over the predictions
a pick.
Robustness: none: a confident prediction that no other row has comes first, outliers among them.
Deviates: the first pick is the row nearest to the mean prediction; theirs is drawn.
"""

from dataclasses import dataclass
from typing import ClassVar

from coreset_cli.kernels.divergence import Predictions, farthest_predictions
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["ContextualDiversity"]


@dataclass(frozen=True, kw_only=True)
class ContextualDiversity:
    """Cover the out-of-fold predictions, half the Jeffreys divergence apart."""

    needs: ClassVar[frozenset[Field]] = needs("held_out")
    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = True

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is the divergence they were picked at."""
        predictions = Predictions.of(data.held_out)
        rows, radii = farthest_predictions(predictions, k, data.key.rank, data.progress)
        return Picks(rows=rows, scores=radii)

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=2 * STATE_BYTES)
