"""Moderate: rows at a middling distance from the centre of their class.

Source: Xia, Liu, Yu, Shen, Han & Liu, "Moderate coreset: a universal method of data selection for
real-world data-efficient deep learning", ICLR 2023, section 3.2.
Cost: O(n d + n log n) time, O(n) memory; two passes over the rows, more for `centre=gm`.
Robustness: keeps few gross outliers; wrong labels near the median distance stay.
Deviates: one centre and ranking inside each class where labels exist; the paper's code ranks all
classes together (`scope=global`).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.kernels.prototypicality import COSTS, Centre, centre_distances
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Scope, needs

__all__ = ["Moderate"]


@dataclass(frozen=True, kw_only=True)
class Moderate:
    """Keep the middle of the ranking by distance to a centre.

    Args:
        rule: `window` keeps the middle ranks, as all code does; `median` keeps the distances
            nearest to their median, as the paper says.
        centre: mean, coordinate-wise median, or geometric median of the rows.
        scope: `pool` has one centre and leaves labels unread; `global` ranks all rows together
            by the distance to the centre of their class.
    """

    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    rule: Literal["window", "median"] = "window"
    centre: Centre = "mean"
    scope: Scope = "pool"

    @property
    def needs(self) -> frozenset[Field]:
        """Vectors; labels where all classes are ranked together."""
        return needs("embeddings", "labels") if self.scope == "global" else needs("embeddings")

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k middle rows, the most middling first."""
        classes = data.labels.codes if self.scope == "global" else None
        distances = centre_distances(data.embeddings, self.centre, classes).cpu().numpy()
        if self.rule == "window":
            order = ranked(distances, data.key.rank, "middle")
        else:
            single = distances.astype(np.float32).astype(np.float64)
            order = np.lexsort((data.key.rank, single, np.abs(single - np.median(single))))
        return Picks(rows=order[:k], scores=distances[order[:k]])

    def cost(self, n: int, k: int) -> Cost:
        """Centre and distances."""
        return COSTS[self.centre]
