"""Forgetting: rows that were learned and forgotten most often in training.

Source: Toneva, Sordoni, Tachet des Combes, Trischler, Bengio & Gordon, "An empirical study of
example forgetting during deep neural network learning", ICLR 2019, algorithm 1.
Cost: O(n e) time for e epochs beside the training, O(n) memory.
Robustness: none by default: rows that were never learned come first; on 4,000 rows of CIFAR-10N
with 42 % wrong labels, 88 % of a tenth kept by a linear probe was wrong; `keep=low` kept 4 %.
Deviates: rows with the same count go by their mean margin, the harder first; a row that was never
right counts as ∞, as in Paul et al., NeurIPS 2021.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.kernels.dynamics import forgetting_events, history_mean
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Forgetting"]


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Keep rows by how often they turned from right to wrong.

    Args:
        keep: `high` keeps those forgotten most often, `low` those forgotten least.
    """

    needs: ClassVar[frozenset[Field]] = needs("dynamics")
    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = True

    keep: Literal["high", "low"] = "high"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The first k rows; the score is the count of events."""
        found = data.dynamics
        events = forgetting_events(found.correct, ~np.isnan(found.p_true))
        sign = -1 if self.keep == "high" else 1
        order = np.lexsort((data.key.rank, -sign * history_mean(found.margin), sign * events))
        return Picks(rows=order[:k], scores=events[order[:k]])

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
