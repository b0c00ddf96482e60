"""Trust: the probability that a row's label is right; 0 for rows that nothing claims.

Source: ours. Rows far from the majority of all rows, and of their class, are set to 0 (least median
of distances; Rousseeuw, JASA 79, 1984). Of the others, linear discriminants that have not seen a
row say what its class may be, and the share of wrong labels is estimated from these together with
the labels, by expectation maximisation (Dawid & Skene, Applied Statistics 28, 1979).
Cost: O(n d r + n r c) time for r ≤ 256 directions and c classes, O(n + c r) memory beside the rows;
some 10 passes over all rows, and more over 20,000 of them.
Robustness: on clean labels it trusts nearly all rows; wrong labels and gross outliers come last.
A wrong label among rows of both classes is not seen, nor are bad rows that lie where good ones do.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.discriminant import CLASS_BYTES, HELD_AXES, axes_for
from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.trust import trusts
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Scope, needs

__all__ = ["Trust"]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Rank all rows by how far they are to be trusted; labels are read where there are any.

    Args:
        reach: distance beyond the median, in units of the gap between the tenth and the fiftieth
            percentile of the distances, from which nothing claims a row.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = False
    keep: ClassVar[Keep] = "high"
    scope: ClassVar[Scope] = "global"

    reach: float = 4.0

    def __post_init__(self) -> None:
        if not self.reach > 0:
            raise InvalidParameter(f"trust: reach is {self.reach}; it must be above 0")

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] probabilities."""
        codes = None if data.classes is None else data.classes.codes
        return trusts(data.embeddings, codes, self.reach)

    def cost(self, n: int, k: int) -> Cost:
        """Copies, distances, directions, sums and logits, each from the stored values."""
        return Cost(reads=12.0, kept=HELD_AXES * axes_for(n), state=96, per_class=CLASS_BYTES)
