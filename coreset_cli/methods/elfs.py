"""ELFS: rows that a probe of clusters, not of labels, finds hard, but for the hardest.

Source: Zheng, Tsai, Lu, Sun, Bartoldson, Kailkhura & Prakash, "ELFS: label-free coreset selection
with proxy training dynamics", ICLR 2025; clusters by TEMI: Adaloglou, Michels, Kalisch & Kollmann,
"Exploring the limits of deep image clustering using pretrained models", BMVC 2023.
Cost: O(n log n) time beside the clusters and the training; O(n) memory beside them.
Robustness: no label is read, so wrong ones change nothing; `beta` drops outliers first, which lie
between clusters.
Deviates: clusters come from k-means by default, and signals from the linear probe of all methods
(`--signals probe:epochs=50,batch=256,decay=5e-4` is nearer to the paper's); signals of a file must
come from a training on clusters. `beta` is fixed, as nothing blind can choose it. All rows are one
pool unless --balance says otherwise. `temi` is trained shorter and faster than published:
`heads=50`, `head_epochs=200`, `head_batch=1024` and `head_rate=1e-4` are the paper's.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.clustering import Clustering, SphericalKMeans
from coreset_cli.kernels.dynamics import history_mean
from coreset_cli.kernels.ranking import ranked
from coreset_cli.kernels.rowwise import STATE_BYTES
from coreset_cli.kernels.temi import Temi
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, needs

__all__ = ["Elfs"]


@dataclass(frozen=True, kw_only=True)
class Elfs:
    """Keep the rows of smallest margin over all epochs, after a share of them is dropped.

    Args:
        clusterer: what labels are made of: `kmeans`, or heads trained to agree on neighbours.
        clusters: how many; 0 takes the number of distinct labels, where there are labels.
        beta: share, in [0, 1), of the hardest rows that is dropped; less where k rows need it.
        neighbours: of `temi`, nearest rows that a row is to agree with.
        heads: of `temi`, of which the one of least loss is taken.
        head_epochs: of `temi`, passes over the rows.
        head_batch: of `temi`, rows a step.
        head_rate: of `temi`, learning rate.
    """

    needs: ClassVar[frozenset[Field]] = needs("dynamics")
    exact: ClassVar[bool] = False

    clusterer: Literal["kmeans", "temi"] = "kmeans"
    clusters: int = 0
    beta: float = 0.3
    neighbours: int = 50
    heads: int = 4
    head_epochs: int = 20
    head_batch: int = 256
    head_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.clusters < 0 or self.clusters == 1:
            raise InvalidParameter("elfs: clusters must be 2 or more, or 0 for the labels' number")
        if not 0 <= self.beta < 1:
            raise InvalidParameter("elfs: beta must be at least 0 and below 1")
        for name in ("neighbours", "heads", "head_epochs", "head_batch"):
            if getattr(self, name) < 1:
                raise InvalidParameter(f"elfs: {name} must be at least 1")
        if not self.head_rate > 0:
            raise InvalidParameter("elfs: head_rate must be above 0")

    @property
    def prefix(self) -> bool:
        """What is dropped depends on k, unless it is nothing."""
        return self.beta == 0

    @property
    def pseudo(self) -> Clustering:
        """The labels that signals are to come from."""
        if self.clusterer == "kmeans":
            return Clustering(SphericalKMeans(), self.clusters)
        temi = Temi(
            neighbours=self.neighbours,
            heads=self.heads,
            epochs=self.head_epochs,
            batch=self.head_batch,
            rate=self.head_rate,
        )
        return Clustering(temi, self.clusters)

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """The k rows above the hardest, hardest first; scores are their mean margins."""
        scores = history_mean(data.dynamics.margin_prob)
        dropped = min(int(Decimal(str(self.beta)) * data.n), data.n - k)
        rows = ranked(scores, data.key.rank, "low")[dropped : dropped + k]
        return Picks(rows=rows, scores=scores[rows], facts={"dropped": float(dropped)})

    def cost(self, n: int, k: int) -> Cost:
        """The vectors are not used."""
        return Cost(state=STATE_BYTES)
