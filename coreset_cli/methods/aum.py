"""AUM: rows whose label led the other classes least, over all of the training.

Source: Pleiss, Zhang, Elenberg & Weinberger, "Identifying mislabeled data using the area under the
margin ranking", NeurIPS 2020.
Cost: O(n e) time for e epochs beside the training, O(n) memory.
Robustness: none by default: the smallest scores are wrong labels; on 4,000 rows of CIFAR-10N with
42 % of them, 96 % of a tenth kept by a linear probe was wrong; `keep=high` kept 4 %.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.dynamics import history_mean
from coreset_cli.kernels.ranking import Keep
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["Aum"]


@dataclass(frozen=True, kw_only=True)
class Aum:
    """Keep rows by the mean over epochs of their margin.

    Args:
        keep: `low` keeps the smallest scores; `high` the largest, `middle` the middle ranks.
        margin: of logits, or of probabilities as CCS takes it.
    """

    needs: ClassVar[frozenset[Field]] = needs("dynamics")
    exact: ClassVar[bool] = False

    keep: Keep = "low"
    margin: Literal["logit", "prob"] = "logit"

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] mean over epochs."""
        found = data.dynamics
        return history_mean(found.margin if self.margin == "logit" else found.margin_prob)

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
