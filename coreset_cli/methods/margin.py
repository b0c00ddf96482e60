"""Margin: rows whose two most probable classes are nearly as probable.

Source: Scheffer, Decomain & Wrobel, "Active hidden Markov models for information extraction", IDA
2001; as a coreset score, Coleman et al., "Selection via proxy", ICLR 2020.
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
from coreset_cli.kernels.uncertainty import margin
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Margin"]


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Keep rows by the gap of their two largest out-of-fold probabilities.

    Args:
        keep: `high` keeps the largest scores; `low` the smallest, `middle` the middle ranks.
    """

    needs: ClassVar[frozenset[Field]] = needs("held_out")
    exact: ClassVar[bool] = False

    keep: Keep = "high"

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] 1 − the gap, by a model that was not trained on the row."""
        return margin(data.held_out)

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
