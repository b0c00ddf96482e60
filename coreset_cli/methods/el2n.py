"""EL2N: rows whose predicted probabilities are farthest from their label, early in training.

Source: Paul, Ganguli & Dziugaite, "Deep learning on a data diet", NeurIPS 2021.
Cost: O(n c) time for c classes beside the training, O(n c) memory.
Robustness: none by default: wrong labels score highest; on 4,000 rows of CIFAR-10N with 42 % of
them, 93 % of a tenth kept by a linear probe was wrong; `keep=low` kept 4 %.
Deviates: one run where the paper averages ten; early is the epoch at which signals are pictured.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.kernels.gradients import residual
from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.rowwise import STATE_BYTES, rowwise
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["El2n"]


@dataclass(frozen=True, kw_only=True)
class El2n:
    """Keep rows by ‖p − y‖₂.

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
        """[n] length of the error vector."""
        shot: Snapshot = getattr(data, self.at)
        return rowwise(
            lambda logits, codes: np.linalg.norm(residual(logits, codes), axis=1),
            shot.logits,
            data.targets,
        )

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
