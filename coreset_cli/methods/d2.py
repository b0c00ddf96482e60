"""D2: hard rows with hard rows around them, each discounted by its neighbours among the picks.

Source: Maharana, Yadav & Bansal, "D2 pruning: message passing for balancing diversity and
difficulty in data pruning", ICLR 2024, equations 3 and 4.
Cost: O(n² d) time beside the score, O(n m) memory for m neighbours.
Robustness: none by default: wrong labels are among the hardest rows; `beta` drops them, and should
be no less than their share: on 10,000 rows of CIFAR-10N with 41 % wrong labels, 57 % of a tenth
kept was wrong, 19 % with `beta=0.4`.
Deviates: distances over their median, where the published code takes them as they are, with
`gamma_reverse=0.1`; a pick whose value is below 0 does not raise its neighbours. Rows are dropped
by the score that is passed on. The paper scores images by forgetting or AUM; AUM is the default: on
those rows with their clean labels, a tenth by it trained a linear model to 82.1 % (95 %: 80.5 …
83.8), by forgetting to 75.8 % (73.9 … 77.9), at random to 80.1 % (`evaluate`, three seeds).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.messages import EDGE_BYTES, gathered, graph_of, scale_free, spread_picks
from coreset_cli.kernels.neighbours import block_bytes, nearest
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.kernels.strata import without_hardest
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["D2"]


@dataclass(frozen=True, kw_only=True)
class D2:
    """Pass the difficulty of rows on to their neighbours, and pick the largest again and again.

    Args:
        score: a method that scores rows, with settings as in `el2n:at=last`; the end that it keeps
            is the hard one, but for `easy`.
        column: of the table that --signals names, instead of a method; empty for the method.
        hard: which end of the column is the hard one.
        neighbours: nearest rows that each row is joined to, 1 or more.
        distance: `scaled` divides distances by their median; `raw` takes them as they are.
        gamma_forward: how fast difficulty fades with the distance when it is gathered; 0 or more.
        gamma_reverse: how fast the discount around a pick fades; 0 or more.
        beta: share of the hardest rows, in [0, 1), that is dropped first.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings", "given")
    exact: ClassVar[bool] = True

    score: str = "aum"
    column: str = ""
    hard: Literal["high", "low"] = "high"
    neighbours: int = 5
    distance: Literal["scaled", "raw"] = "scaled"
    gamma_forward: float = 1.0
    gamma_reverse: float = 1.0
    beta: float = 0.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InvalidParameter(f"d2: neighbours is {self.neighbours}; it must be 1 or more")
        for name in ("gamma_forward", "gamma_reverse"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InvalidParameter(
                    f"d2: {name} is {getattr(self, name)}; it must be finite, at least 0"
                )
        if not 0 <= self.beta < 1:
            raise InvalidParameter(f"d2: beta is {self.beta}; it must be in [0, 1)")

    @property
    def prefix(self) -> bool:
        """Unless rows are dropped: how many depends on k."""
        return self.beta == 0

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is what was left of each by then."""
        kept = without_hardest(data.given, data.key.rank, Decimal(str(self.beta)), k)
        pool = data.subset(kept, data.progress)

        def progress(done: int, total: int) -> None:
            data.progress(k * done // total, k)

        points = fixed(pool.embeddings)
        near = nearest(points, self.neighbours, progress)
        distances = np.sqrt(near.squares) / 2.0**points.grid.step
        by_id = np.argsort(pool.key.rank)
        place = np.empty_like(by_id)
        place[by_id] = np.arange(pool.n)
        if self.distance == "scaled":
            distances = scale_free(distances)
        graph = graph_of(place[near.rows[by_id]], distances[by_id])
        scores = pool.given[by_id] - min(0.0, float(pool.given.min()))
        values = gathered(scores, graph, self.gamma_forward)
        picks, left = spread_picks(values, graph, self.gamma_reverse, k)
        return Picks(rows=kept[by_id[picks]], scores=left)

    def cost(self, n: int, k: int) -> Cost:
        """All pairs, in blocks; the neighbours are held."""
        state = 3 * STATE_BYTES + EDGE_BYTES * self.neighbours + block_bytes(n) // n
        return Cost(reads=1.0, passes=n / 512, grids=1.0, state=state)
