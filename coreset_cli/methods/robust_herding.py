"""Robust herding: herding on trusted rows, towards the mean that trust makes of all rows.

Source: ours; the trust is that of `trust`, the matching Chen, Welling & Smola, "Super-samples from
kernel herding", UAI 2010, eq. 8, as in `herding`.
Cost: O(n d r + k n d) time for r ≤ 256 directions, O(n) memory beside the rows: that of `trust`
and that of `herding` on the trusted rows.
Robustness: made for it: rejects rows that other classes claim, rows that nothing claims, and copies
of rows, by as much as it finds, and picks nearly as herding does where it finds nothing.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.copies import first_of_copies
from coreset_cli.kernels.fixed import fixed, norm
from coreset_cli.kernels.matching import STATE_BYTES, Matcher
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.ranking import ranked
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["RobustHerding"]

LOWER = (0.8, 0.5)
"""Trust of the rows that follow where those of full confidence are too few."""

BEYOND = "fewer rows are trusted than were asked for: the last ones are not"


@dataclass(frozen=True, kw_only=True)
class RobustHerding:
    """Keep the mean of trusted picks on the mean of all rows, each weighted by its trust.

    Args:
        confidence: trust, in (0, 1], from which a row is picked first; where the budget asks for
            more, those from 0.8 and from 0.5 follow, herded too, and the others by their trust.
        column: of the table that --signals names, with a probability for each row that it is sound;
            empty for the method `trust`.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings", "given")
    exact: ClassVar[bool] = False
    prefix: ClassVar[bool] = True
    judge: ClassVar[str] = "trust"

    confidence: float = 0.95
    column: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.confidence <= 1:
            raise InvalidParameter(
                f"robust-herding: confidence is {self.confidence}; it must be above 0 and at most 1"
            )

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is their trust.

        The facts are the share of rows that are not trusted, and how far the mean of the trusted
        picks is from the target.
        """
        trust = data.given
        fresh = first_of_copies(data.embeddings)
        tiers = self._tiers(trust, fresh, k)
        herded, residual = np.empty(0, np.int64), 0.0
        if tiers:
            target = _weighted_mean(data.embeddings, np.clip(trust, 0.0, 1.0) * fresh)
            matcher = Matcher(target, target, "l2")
            points = fixed(data.embeddings.renumbered())
            picks = matcher.walk(points, tiers, data.progress, data.memo)
            herded, residual = np.asarray(picks), norm(matcher.theta - target) / len(picks)
        left = trust.copy()
        left[herded] = -np.inf
        rows = np.concatenate([herded, ranked(left, data.key.rank, "high")])[:k]
        return Picks(
            rows=rows,
            scores=trust[rows],
            notes=(BEYOND,) if (trust[rows] < self.confidence).any() else (),
            facts={"distrusted": float((trust < self.confidence).mean()), "residual": residual},
        )

    def cost(self, n: int, k: int) -> Cost:
        """As herding, with a pass to find copies and one for the target."""
        return Cost(reads=3.0, passes=k + 1.0, grids=1.0, state=STATE_BYTES)

    def _tiers(
        self, trust: NDArray[np.float64], fresh: NDArray[np.bool_], k: int
    ) -> list[tuple[NDArray[np.int64], int]]:
        """Rows of each level of trust that is needed for k rows, and how many to pick of them."""
        tiers, above = [], np.inf
        for level in (self.confidence, *(low for low in LOWER if low < self.confidence)):
            rows = np.flatnonzero((trust >= level) & (trust < above) & fresh)
            count = min(len(rows), k)
            if count:
                tiers.append((rows, count))
            k, above = k - count, level
        return tiers


def _weighted_mean(points: Points, weights: NDArray[np.float64]) -> Float[Tensor, " d"]:
    weight = torch.from_numpy(weights).to(points.device)

    def summed(start: int, block: Float[Tensor, "b d"]) -> Float[Tensor, " d"]:
        return weight[start : start + len(block)] @ block

    return points.total(summed) / weight.sum()
