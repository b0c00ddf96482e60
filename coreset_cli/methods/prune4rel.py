"""Prune4ReL: rows that fill every neighbourhood with confidence, for training that corrects labels.

Source: Park, Choi, Kim, Bae & Song, "Robust data pruning under label noise via maximizing
re-labeling accuracy", NeurIPS 2023, equations 4 to 6 and algorithm 1.
Cost: O(k n d) time, O(n) memory beside the rows; one pass over the rows a pick.
Robustness: wrong labels are kept at about their share, for the learner is to correct them: a poor
choice for one that does not.
Deviates: a row's gain is that of its own neighbourhood, as in the authors' code, not of all that it
serves. Confidence comes of rows that are not augmented, in double precision, the vectors are those
given; labels are not read, and classes are balanced as for every other method.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.confidence import filled
from coreset_cli.kernels.gradients import STATE_BYTES, probabilities
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Prune4Rel"]


@dataclass(frozen=True, kw_only=True)
class Prune4Rel:
    """Pick confident rows where neighbourhoods lack confidence.

    Args:
        at: the network early on, or at the end of its training.
        threshold: (1 + cosine)/2 above which rows are neighbours; 1 ranks by confidence alone.
        temperature: divides sums of confidence; larger ones fill up later.
    """

    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = True

    at: Literal["early", "last"] = "early"
    threshold: float = 0.975
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InvalidParameter(
                f"prune4rel: threshold is {self.threshold}; it must be between 0 and 1"
            )
        if not 0 < self.temperature < np.inf:
            raise InvalidParameter(
                f"prune4rel: temperature is {self.temperature}; it must be above 0"
            )

    @property
    def needs(self) -> frozenset[Field]:
        """Vectors, and a network."""
        return needs("embeddings", self.at)

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is the gain they were picked at."""
        shot: Snapshot = getattr(data, self.at)
        confidence = probabilities(shot.logits).max(axis=1)
        rows, gains = filled(
            data.embeddings.unit(),
            confidence,
            k,
            threshold=self.threshold,
            temperature=self.temperature,
            progress=data.progress,
        )
        return Picks(rows=rows, scores=gains)

    def cost(self, n: int, k: int) -> Cost:
        """One pass a pick over the vectors as they are stored."""
        return Cost(reads=k + 1.0, state=STATE_BYTES)
