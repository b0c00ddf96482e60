"""Easy: rows nearest to the centre of their class; also called prototypical.

Source: Sorscher, Geirhos, Shekhar, Ganguli & Morcos, "Beyond neural scaling laws: beating power
law scaling via data pruning", NeurIPS 2022, section 5 (the idea, with cluster centres).
Cost: O(n d) time, O(n) memory; two passes over the rows, more for `centre=gm`.
Robustness: keeps few gross outliers and few wrong labels; loses the variety of the data.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.prototypicality import COSTS, Centre, centre_distances
from coreset_cli.kernels.ranking import Keep
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Scope, needs

__all__ = ["Easy"]


@dataclass(frozen=True, kw_only=True)
class Easy:
    """Keep the rows nearest to a centre.

    Args:
        centre: mean, coordinate-wise median, or geometric median of the rows.
        scope: `pool` has one centre and leaves labels unread; `global` ranks all rows together
            by the distance to the centre of their class.
    """

    exact: ClassVar[bool] = True
    keep: ClassVar[Keep] = "low"
    hard: ClassVar[Keep] = "high"

    centre: Centre = "mean"
    scope: Scope = "pool"

    @property
    def needs(self) -> frozenset[Field]:
        """Vectors; labels where all classes are ranked together."""
        return needs("embeddings", "labels") if self.scope == "global" else needs("embeddings")

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] distance of each row to its centre."""
        classes = data.labels.codes if self.scope == "global" else None
        return centre_distances(data.embeddings, self.centre, classes).cpu().numpy()

    def cost(self, n: int, k: int) -> Cost:
        """Centre and distances."""
        return COSTS[self.centre]
