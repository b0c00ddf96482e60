"""Signals of a probe that is trained on clusters, for methods that take no labels of the input."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.samples import Samples
from coreset_cli.artifacts.signals import Signals
from coreset_cli.commands.select_probe import FromProbe
from coreset_cli.errors import InvalidParameter, MissingInput
from coreset_cli.kernels.clustering import Clusterer, Clustering, numbered_by_id
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Progress, Score, Selector, silent
from coreset_cli.training.probe import probe_memory

__all__ = ["FromPseudoLabels", "clustering_of"]

PARTS = 1000
"""What the progress is told of."""

CLUSTERED = 800
"""Of these, the clusters; the rest is the training on them."""

LABEL_BYTES = 48
"""Bytes a row of clusters while they are numbered."""

MEASURED_ROWS = 2048
"""Rows that are clustered to see how long it takes, at least."""


def clustering_of(selector: Selector | Score) -> Clustering | None:
    """What gives rows their labels, for a method that takes none of the input's; else nothing.

    Args:
        selector: a method, or a composition of one.
    """
    clustering: Clustering | None = getattr(selector, "pseudo", None)
    inside: Selector | Score | None = getattr(selector, "method", None)
    return clustering_of(inside) if clustering is None and inside is not None else clustering


@dataclass(frozen=True, kw_only=True)
class FromPseudoLabels:
    """Signals of a probe, trained on vectors and their clusters.

    Args:
        by: what finds the clusters.
        clusters: how many.
        probe: what is trained on them.
    """

    by: Clusterer
    clusters: int
    probe: FromProbe

    @classmethod
    def of(cls, clustering: Clustering, probe: FromProbe, data: Samples) -> "FromPseudoLabels":
        """Say how many clusters there are; of labels their number alone is read.

        Raises:
            MissingInput: nothing says how many.
            InvalidParameter: fewer than two, or more than rows.
        """
        n, count = len(data.ids), clustering.clusters
        if count == 0:
            if data.labels is None:
                raise MissingInput(
                    f"{data.path} has no labels, so nothing says how many clusters there are; give "
                    "--set clusters=N, about as many as kinds of rows, or --signals FILE of a "
                    "training on clusters"
                )
            count = len(data.labels.names)
        if not 2 <= count <= n:
            why = "" if clustering.clusters else ", one for each distinct label"
            raise InvalidParameter(
                f"{n} rows cannot make {count} clusters{why}: there must be at least 2, and no "
                "more than rows; give --set clusters=N"
            )
        return cls(by=clustering.by, clusters=count, probe=probe)

    @property
    def told(self) -> Mapping[str, Any]:
        """The clusters, and the recipe."""
        found = {"by": type(self.by).__name__, **vars(self.by), "clusters": self.clusters}
        return {"pseudo_labels": found, **self.probe.told}

    @property
    def draws(self) -> bool:
        """The seed decides where clusters begin, and the order of rows."""
        return True

    def memory(self, data: Embeddings) -> int:
        """Of the clusters, and then of the training and what it leaves."""
        n, d, probe = data.matrix.n, data.matrix.d, self.probe
        training = probe_memory(n, d, self.clusters, probe.recipe, probe.wanted)
        return n * LABEL_BYTES + max(training, self.by.memory(n, d, self.clusters))

    def seconds(self, data: Embeddings, device: torch.device) -> float:
        """From clusters of the first rows, and some epochs on them."""
        n, d = data.matrix.n, data.matrix.d
        rows = np.arange(min(n, max(MEASURED_ROWS, self.clusters)))
        points = Points(data.matrix, data.ids.key(), device).subset(rows)
        brief = self.by.brief()
        started = time.perf_counter()
        brief.codes(points, self.clusters, Rng(0), silent)
        taken = time.perf_counter() - started
        grows = self.by.work(n, d, self.clusters) / brief.work(len(rows), d, self.clusters)
        return taken * grows + self.probe.seconds(self._labelled(data, np.arange(n)), device)

    def signals(self, data: Embeddings, points: Points, seed: int, progress: Progress) -> Signals:
        """Find the clusters, then train."""
        found = self.by.codes(points, self.clusters, Rng(seed), _part(progress, 0, CLUSTERED))
        labelled = self._labelled(data, numbered_by_id(found, points.key.rank))
        return self.probe.signals(labelled, points, seed, _part(progress, CLUSTERED, PARTS))

    def _labelled(self, data: Embeddings, codes: NDArray[np.int64]) -> Embeddings:
        names = tuple(map(str, range(self.clusters)))
        return replace(data, labels=Labels(codes % self.clusters, names))


def _part(progress: Progress, start: int, end: int) -> Progress:
    """Progress of a part of the work, told as that of the whole."""
    return lambda done, total: progress(start + (end - start) * done // total, PARTS)
