"""CCS: the same number of rows from every range of a score; coverage-centric coreset selection.

Source: Zheng, Liu, Lai & Prakash, "Coverage-centric coreset selection for high pruning rates",
ICLR 2023, algorithm 1.
Cost: O(n log n) time beside the score, O(n) memory.
Robustness: wrong labels are among the hardest rows: `beta` drops them, and should be no less than
their share; with the default of 0 they fill strata of their own: on 10,000 rows of CIFAR-10N with
41 % wrong labels, 49 % of a tenth kept was wrong, 12 % with `beta=0.4`.
Deviates: inside each class where labels exist, as every method here; the paper has one pool. Rows
are dropped by the score that makes the strata, which runs from easy to hard here, and the largest
is in the last one.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.apportion import equal_turns
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.kernels.strata import strata_of, water_filled, without_hardest
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Ccs"]


@dataclass(frozen=True, kw_only=True)
class Ccs:
    """Draw rows from all strata of a score alike.

    Args:
        score: a method that scores rows, with settings as in `el2n:at=last`; the end that it keeps
            is the hard one, but for `easy`.
        column: of the table that --signals names, instead of a method; empty for the method.
        hard: which end of the column is the hard one.
        beta: share of the hardest rows, in [0, 1), that is dropped first.
        strata: ranges of equal width, 1 or more.
    """

    needs: ClassVar[frozenset[Field]] = needs("given")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = False

    score: str = "aum"
    column: str = ""
    hard: Literal["high", "low"] = "high"
    beta: float = 0.0
    strata: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise InvalidParameter(f"ccs: beta is {self.beta}; it must be in [0, 1)")
        if self.strata < 1:
            raise InvalidParameter(f"ccs: strata is {self.strata}; it must be 1 or more")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """K rows, drawn from the strata in turn; the score grows with the difficulty."""
        scores, key = data.given, data.key
        kept = without_hardest(scores, key.rank, Decimal(str(self.beta)), k)
        drawn = kept[rng.shuffled("ccs", key.take(kept))]
        numbers, codes = np.unique(strata_of(scores[drawn], self.strata), return_inverse=True)
        strata = members(codes, len(numbers))
        quotas = water_filled(np.array([len(stratum) for stratum in strata]), k)
        rows = np.empty(k, np.int64)
        turns = members(equal_turns(quotas, k), len(strata))
        for stratum, places in zip(strata, turns, strict=True):
            rows[places] = drawn[stratum[: len(places)]]
        return Picks(rows=rows, scores=scores[rows], facts={"strata": float(len(strata))})

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=2 * STATE_BYTES)
