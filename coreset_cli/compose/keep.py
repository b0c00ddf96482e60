"""A score, and the part of its ranking that is kept."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coreset_cli.kernels.ranking import TIED, ranked, tied_at_the_cut
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Score

__all__ = ["ByScore"]


@dataclass(frozen=True, kw_only=True)
class ByScore:
    """Select by a score: its own `keep` says which end.

    Args:
        method: the score.
    """

    method: Score
    prefix: ClassVar[bool] = True

    @property
    def exact(self) -> bool:
        """As the score."""
        return self.method.exact

    @property
    def needs(self) -> frozenset[Field]:
        """As the score."""
        return self.method.needs

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows of the end that is kept, best first."""
        scores = self.method.score(data, rng)
        order = ranked(scores, data.key.rank, self.method.keep)
        tied = tied_at_the_cut(scores[order].astype(np.float32), k)
        return Picks(
            rows=order[:k],
            scores=scores[order[:k]],
            notes=(TIED,) if tied else (),
            facts={"tied": tied} if tied else {},
        )

    def cost(self, n: int, k: int) -> Cost:
        """As the score."""
        return self.method.cost(n, k)
