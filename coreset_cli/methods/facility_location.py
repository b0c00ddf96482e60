"""Facility location: pick rows so that every row has a similar one among them.

Source: Mirchandani & Francis, "Discrete location theory", Wiley 1990; Krause & Golovin, "Submodular
function maximization", 2014; Wei, Iyer & Bilmes, "Submodularity in data subset selection and active
learning", ICML 2015.
Cost: O(n² d) time at least, and a column, O(n d), for every gain computed again where the matrix of
all pairs is not held; O(n²) memory up to 11,585 rows a pool, else O(n).
Robustness: some: a gross outlier serves nobody but itself and comes late; wrong labels keep about
their share.
Deviates: similarities are (1 + cos)/2 of the embeddings, not of gradients, rounded once to 30 bits.
With `neighbours` above 0 similarities beyond each row's nearest count as 0: an approximation.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.cosine import Cosine
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.greedy import Greedy, maximise
from coreset_cli.kernels.similarity import held, state_bytes
from coreset_cli.kernels.sparse import Nearest
from coreset_cli.kernels.submodular import FacilityLocation as Objective
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["FacilityLocation"]

GUESSED = 120
"""Gains computed again a pick: counted, 1,000 picks of 20,000 vectors of images."""


@dataclass(frozen=True, kw_only=True)
class FacilityLocation:
    """Pick rows so that every row has a similar one among them.

    Args:
        optimizer: `naive` computes all gains for every pick, `lazy` few and picks the same,
            `stochastic` those of drawn rows.
        epsilon: what `stochastic` may lose, a share of the best value; in (0, 1).
        neighbours: similarities a row keeps, its largest; 0 for all, which is exact.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = True

    optimizer: Literal["lazy", "naive", "stochastic"] = "lazy"
    epsilon: float = 0.1
    neighbours: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1:
            raise InvalidParameter(
                f"facility-location: epsilon is {self.epsilon}; it must be above 0 and below 1"
            )
        if self.neighbours < 0:
            raise InvalidParameter(
                f"facility-location: neighbours is {self.neighbours}; it must be at least 0"
            )

    @property
    def prefix(self) -> bool:
        """Draws depend on the number of picks."""
        return self.optimizer != "stochastic"

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows in the order picked; the score is the gain each was picked for."""
        rows = fixed(data.embeddings.unit())
        similarity = (
            Nearest(Cosine.from_zero(rows), self.neighbours)
            if self.neighbours
            else held(Cosine.of(rows))
        )
        objective = Objective(similarity)
        run = Greedy(objective, k, data.progress, data.memo)
        picks, gains = maximise(run, self.optimizer, data.key, rng, self.epsilon)
        scores = objective.scores(gains)
        return Picks(rows=picks, scores=scores, facts={"value": float(scores.sum()) / data.n})

    def cost(self, n: int, k: int) -> Cost:
        """All pairs once; where they are not held, again for the second pick and in part later."""
        few = bool(self.neighbours) or state_bytes(n) == 4 * n
        later = {"lazy": n + GUESSED * k, "naive": n * k, "stochastic": 3 * n}[self.optimizer]
        state = 48 * min(self.neighbours, n) if self.neighbours else state_bytes(n)
        passes = float(n if few else n + later)
        return Cost(reads=1.0, passes=passes, grids=1.0, state=state + 64)
