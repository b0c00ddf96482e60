"""A selector that reads a score, with what makes the score."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import NotFinite
from coreset_cli.kernels.memo import FORGETFUL
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Selector, choose, needs, silent

__all__ = ["Scored", "difficulties"]

GIVEN = needs("given")

LARGEST = 1e300
"""Scores beyond it could not be added up."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Score all rows first, by a ranking of them all, and let a selector read how hard each is.

    The pool that is scored is the pool that is selected from: inside a class, that class.

    Args:
        method: the selector; the score it is given is the larger, the harder a row is.
        score: ranks rows, and says their scores.
        hard: which end of that score is the hard one.
    """

    held: ClassVar[int] = 32
    """Bytes a row of the ranking and of the scores."""

    method: Selector
    score: Selector
    hard: Literal["high", "low"]

    @property
    def prefix(self) -> bool:
        """As the selector."""
        return self.method.prefix

    @property
    def exact(self) -> bool:
        """Where both are."""
        return self.method.exact and self.score.exact

    @property
    def needs(self) -> frozenset[Field]:
        """What both need, but for the score that is made here."""
        return (self.method.needs - GIVEN) | self.score.needs

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """Score, then pick k rows."""
        alone = replace(data, progress=silent, memo=FORGETFUL)
        ranking = choose(self.score, alone, data.n, rng)
        assert ranking.scores is not None
        scores = np.empty(data.n)
        scores[ranking.rows] = ranking.scores
        if "dynamics" in self.score.needs:
            # Never right in any epoch, forgotten in each: so Toneva et al. (ICLR 2019) count it.
            scores[scores == np.inf] = data.dynamics.correct.shape[1]
        return self.method.select(replace(data, scores=difficulties(scores, self.hard)), k, rng)

    def cost(self, n: int, k: int) -> Cost:
        """Of one after the other."""
        return self.score.cost(n, n).then(self.method.cost(n, k), self.held)


def difficulties(scores: NDArray[np.float64], hard: Literal["high", "low"]) -> NDArray[np.float64]:
    """[n] the larger, the harder: the scores, or the largest of them less each.

    Raises:
        NotFinite: too large to compute with.
    """
    largest = np.abs(scores).max()
    if not largest <= LARGEST:
        raise NotFinite(f"a score of {largest:g} is too large to compute with; scale the scores")
    return scores if hard == "high" else scores.max() - scores
