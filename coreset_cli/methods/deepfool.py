"""DeepFool: rows nearest to the boundary of their predicted class.

Source: Moosavi-Dezfooli, Fawzi & Frossard, "DeepFool: a simple and accurate method to fool deep
neural networks", CVPR 2016, equation 8; as selection, Ducoffe & Precioso, "Adversarial active
learning for deep networks: a margin based approach", 2018.
Cost: O(n c) time for c classes beside the training, O(n c) memory.
Robustness: little: rows between classes are often corrupted or wrongly labelled; `keep=high` keeps
the rows that are far inside.
Deviates: one exact step in the space of the last layer's input, not a search among pictures.
Out-of-fold logits are divided by the distances of the weights trained on all rows.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.kernels.uncertainty import boundary_distance
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Deepfool"]


@dataclass(frozen=True, kw_only=True)
class Deepfool:
    """Keep rows by the least change of their features that changes their prediction.

    Args:
        keep: `low` keeps the smallest distances; `high` the largest, `middle` the middle ranks.
        by: logits of models that were not trained on the row, or of the one at the end.
    """

    exact: ClassVar[bool] = False

    keep: Keep = "low"
    by: Literal["held_out", "last"] = "held_out"

    @property
    def needs(self) -> frozenset[Field]:
        """The last layer, and the logits."""
        return needs("last", self.by)

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] distance to the nearest boundary."""
        logits = data.held_out if self.by == "held_out" else data.last.logits
        return boundary_distance(logits, data.last.weight)

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
