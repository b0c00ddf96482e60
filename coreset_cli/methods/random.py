"""Random: a uniform sample without replacement; inside classes, a stratified one.

Source: simple random sampling; Cochran, "Sampling Techniques", Wiley 1977, ch. 2 and 5.
Cost: O(n log n) time, O(n) memory; the vectors are not used.
Robustness: keeps corrupted rows at their base rate; the baseline every result stands beside.
"""

from dataclasses import dataclass
from typing import ClassVar

from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Random"]


@dataclass(frozen=True, kw_only=True)
class Random:
    """Keep rows by the order of a keyed hash of their ids."""

    needs: ClassVar[frozenset[Field]] = needs()
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The first k rows of a random order."""
        return Picks(rows=rng.shuffled("random", data.key)[:k])

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=32)
