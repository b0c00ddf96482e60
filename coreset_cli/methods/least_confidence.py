"""Least confidence: rows whose most probable class is the least probable.

Source: Lewis & Gale, "A sequential algorithm for training text classifiers", SIGIR 1994; as a
coreset score, Coleman et al., "Selection via proxy", ICLR 2020.
Cost: O(n c) time for c classes beside the training of the probe, O(n c) memory.
Robustness: seeks wrong labels and corrupted rows; below a fifth of the rows worse than random.
`keep=low` keeps the sure rows instead.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.kernels.uncertainty import least_confidence
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["LeastConfidence"]


@dataclass(frozen=True, kw_only=True)
class LeastConfidence:
    """Keep rows by 1 − the largest out-of-fold probability.

    Args:
        keep: `high` keeps the largest scores; `low` the smallest, `middle` the middle ranks.
    """

    needs: ClassVar[frozenset[Field]] = needs("held_out")
    exact: ClassVar[bool] = False

    keep: Keep = "high"

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] 1 − the largest probability, by a model that was not trained on the row."""
        return least_confidence(data.held_out)

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
