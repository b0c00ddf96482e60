"""Herding: pick rows whose running mean follows the mean of all rows.

Source: Welling, "Herding dynamical weights to learn", ICML 2009; as a subset rule, Chen, Welling &
Smola, "Super-samples from kernel herding", UAI 2010, eq. 8, linear kernel (`dot`); Rebuffi,
Kolesnikov, Sperl & Lampert, "iCaRL", CVPR 2017, algorithm 4 (`l2`).
Cost: O(k n d) time, O(n) memory beside the rows; at most one pass over the rows a pick.
Robustness: follows the mean, so gross outliers keep about their share; per class it leaves out
some wrong labels.
Deviates: rows are picked without replacement. Code that takes the row farthest from the residual
is reversed, and is not reproduced.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.kernels.fixed import fixed, norm
from coreset_cli.kernels.matching import NO_DIRECTION, STATE_BYTES, Matcher, direction
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Herding"]


@dataclass(frozen=True, kw_only=True)
class Herding:
    """Keep the mean of the picks on the mean of the data.

    Args:
        match: rule for the next pick; `l2` is the nearest to the residual, `dot` the largest inner
            product with it, `cosine` the same on rows and mean at length 1.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    match: Literal["l2", "dot", "cosine"] = "l2"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the fact is how far their mean is from the target."""
        points = fixed(data.embeddings)
        target = points.grid.outside(points.mean())
        notes: tuple[str, ...] = ()
        if self.match == "cosine":
            usual = points.total_norm() / points.n / 2.0**points.grid.step
            target = direction(target, usual)
            del points  # before the rows are rounded again
            points = fixed(data.embeddings.unit())
            notes = () if target.any() else (NO_DIRECTION,)
        matcher = Matcher(target, target, "l2" if self.match == "l2" else "dot")
        picks = matcher.pick(points, k, data.progress, data.memo)
        residual = norm(matcher.theta - target) / k
        return Picks(rows=np.asarray(picks, np.int64), notes=notes, facts={"residual": residual})

    def cost(self, n: int, k: int) -> Cost:
        """One pass a pick, and a few to begin."""
        reads = 2.0 if self.match == "cosine" else 1.0
        return Cost(reads=reads, passes=k + 3.0, grids=1.0, state=STATE_BYTES)
