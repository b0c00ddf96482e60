"""A score, and the part of its ranking that is kept."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Score

__all__ = ["ByScore"]

MANY = 10
"""Rows of one score that nobody need be told of."""

SHARE = 0.01
"""As `MANY`, as a share of the rows picked."""

TIED = "many rows share the score at the cut: which of them are kept is decided by their ids alone"


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
        tied = _tied(scores[order], k)
        many = tied > max(MANY, SHARE * k)
        return Picks(
            rows=order[:k],
            scores=scores[order[:k]],
            notes=(TIED,) if many else (),
            facts={"tied": tied} if many else {},
        )

    def cost(self, n: int, k: int) -> Cost:
        """As the score."""
        return self.method.cost(n, k)


def _tied(scores: NDArray[np.float64], k: int) -> int:
    """Rows whose score both rows that are kept and rows that are not have; as `ranked` sees it.

    Args:
        scores: [n] the first k of them are kept.
        k: rows that are kept.
    """
    single = scores.astype(np.float32)
    shared = np.intersect1d(single[:k], single[k:])
    return int(np.isin(single, shared).sum())
