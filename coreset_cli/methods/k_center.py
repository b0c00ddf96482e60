"""k-center: pick, each time, the row farthest from all picks; also called core-set greedy.

Source: Gonzalez, Theoretical Computer Science 38, 1985 (farthest-first traversal, at most twice the
best covering radius); Sener & Savarese, "Active learning for convolutional neural networks: a
core-set approach", ICLR 2018, algorithm 1.
Cost: O(k n d) time, O(n) memory beside the rows; at most one pass over the rows a pick.
Robustness: none: outliers are by definition farthest and come first.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from coreset_cli.kernels.centre import nearest_to
from coreset_cli.kernels.farthest import STATE_BYTES, farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["KCenter"]


@dataclass(frozen=True, kw_only=True)
class KCenter:
    """Cover the rows: every row ends near a pick.

    Args:
        metric: Euclidean distance of the rows, or of the rows at length 1 (`cosine`).
        first: the row nearest to the mean (`center`), or one drawn from the seed (`random`).
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    metric: Literal["euclidean", "cosine"] = "euclidean"
    first: Literal["center", "random"] = "center"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is the radius they were picked at."""
        vectors = data.embeddings
        points = fixed(vectors.unit() if self.metric == "cosine" else vectors)
        if self.first == "random":
            first = points.best(int(rng.shuffled("k-center", data.key)[0]), 0.0)
        else:
            first = nearest_to(points, points.mean())
        rows, radii = farthest_first(points, k, first, data.progress, data.memo)
        return Picks(rows=np.asarray(rows, np.int64), scores=radii)

    def cost(self, n: int, k: int) -> Cost:
        """One pass a pick at most, and a few to begin; picks are held beside the rows."""
        return Cost(reads=1.0, passes=k + 3.0, grids=1.0, kept=2 * k, state=STATE_BYTES)
