"""GraNd: rows with the largest gradients of the last layer, early in training.

Source: Paul, Ganguli & Dziugaite, "Deep learning on a data diet", NeurIPS 2021.
Cost: O(n (c + d)) time for c classes beside the training, O(n (c + d)) memory.
Robustness: none: wrong labels score highest and come first; `keep=low` or `middle` avoids them.
Deviates: gradients of the last layer, weights and bias, in closed form; the paper takes those of
all parameters, the mean of ten runs. At initialisation the score did not reproduce (Kirsch, TMLR
2023), so it is read after some epochs.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.kernels.gradients import last_layer
from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Grand"]


@dataclass(frozen=True, kw_only=True)
class Grand:
    """Keep rows by the norm of the gradient of their loss.

    Args:
        keep: `high` keeps the largest scores; `low` the smallest, `middle` the middle ranks.
        at: the network early on, or at the end of its training, where rows that fit score 0.
    """

    exact: ClassVar[bool] = False

    keep: Keep = "high"
    at: Literal["early", "last"] = "early"

    @property
    def needs(self) -> frozenset[Field]:
        """A network."""
        return needs(self.at)

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] ‖p − y‖ √(‖h‖² + 1), h being the input of the last layer."""
        shot: Snapshot = getattr(data, self.at)
        return last_layer(shot, data.targets, np.arange(data.n)).norms

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
