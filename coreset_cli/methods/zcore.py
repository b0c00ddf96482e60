"""ZCore: rows that random low-dimensional samples of the data come nearest to, and no twin covers.

Source: Griffin, Marks & Corso, "Zero-shot coreset selection via iterative subspace sampling", WACV
2026, algorithm 1.
Cost: O(t n) time for t random places, O(n d) memory: the rows once more, value by value.
Robustness: outliers are seldom nearest, but nothing covers them; there is no guard against them.
Deviates: every place is drawn anew (the published code repeats them in every process), and a row
never counts as its own neighbour.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.visits import STATE_BYTES, visits
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Zcore"]


@dataclass(frozen=True, kw_only=True)
class Zcore:
    """Keep the rows that cover most of two coordinates at a time, less what others cover.

    Args:
        draws: random places at most.
        draws_per_row: random places for every row; fewer where that passes `draws`.
        neighbours: rows nearest to the one that is hit, which share the loss.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True
    keep: ClassVar[Keep] = "high"

    draws: int = 1_000_000
    draws_per_row: int = 10
    neighbours: int = 1000

    def __post_init__(self) -> None:
        for name in ("draws", "draws_per_row", "neighbours"):
            if getattr(self, name) < 1:
                raise InvalidParameter(f"zcore: {name} must be at least 1")

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] coverage less redundancy, between 0 and 1."""

        def told(done: int, total: int) -> None:
            data.progress(data.n * done // total, data.n)

        draws = min(self.draws, self.draws_per_row * data.n)
        found = visits(fixed(data.embeddings), draws, self.neighbours, rng, told)
        found -= found.min()
        return found / max(1, int(found.max()))

    def cost(self, n: int, k: int) -> Cost:
        """The rows and their transpose; a place reads two coordinates of all rows."""
        return Cost(reads=1.0, passes=4.0, grids=2.0, state=STATE_BYTES)
