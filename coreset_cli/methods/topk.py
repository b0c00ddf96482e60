"""Topk: rows by a score of the user's own, from a column of a table.

Source: none: whatever made the score. Ranking and its three ends are those of every score here, as
in Paul, Ganguli & Dziugaite, "Deep learning on a data diet", NeurIPS 2021.
Cost: O(n log n) time, O(n) memory; the vectors are not used.
Robustness: that of the score, and of the end that is kept.
Deviates: scores are compared as float64, and only equal ones go by id.
"""

from dataclasses import dataclass
from typing import ClassVar

from coreset_cli.kernels.ranking import TIED, Keep, ranked_exactly, tied_at_the_cut
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Topk"]


@dataclass(frozen=True, kw_only=True)
class Topk:
    """Keep rows by a score that was made before.

    Args:
        keep: `high` keeps the largest scores; `low` the smallest, `middle` the middle ranks.
        column: of the table that --signals names; one of a file of signals, such as `margin`, is
            averaged over the epochs.
    """

    needs: ClassVar[frozenset[Field]] = needs("given")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    keep: Keep = "high"
    column: str = "score"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The first k rows of the end that is kept."""
        order = ranked_exactly(data.given, data.key.rank, self.keep)
        tied = tied_at_the_cut(data.given[order], k)
        return Picks(
            rows=order[:k],
            scores=data.given[order[:k]],
            notes=(TIED,) if tied else (),
            facts={"tied": tied} if tied else {},
        )

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
