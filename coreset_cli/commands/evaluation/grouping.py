"""Groups of test rows, for the worst of them to be seen: by a column, or clusters.

Source: clusters of test pixels: Vahidian et al., "Group distributionally robust dataset
distillation with risk minimization", arXiv 2402.04676. Here they are clusters of directions.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.artifacts.samples import Samples
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.select import Watch
from coreset_cli.device import find_device
from coreset_cli.errors import InvalidParameter
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.io.parquet import whole_column
from coreset_cli.kernels.clustering import SphericalKMeans, numbered_by_id
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.kmeans import best_of_starts
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng
from coreset_cli.training.batches import images_of

__all__ = ["GroupSource", "Grouped", "open_groups"]

CLUSTERS = "clusters"

STARTS = 10
"""Of k-means: clusters that depend on one start are no groups to report."""

MOST = 1000
"""Groups; more are values of rows, not groups of them."""

FIRST = 64
"""Images looked at to know how large the others are."""

IMAGES = 1024
"""Images whose pixels are made numbers at a time."""

PIXEL_BYTES = 6
"""Bytes a pixel of an image: decoded, in the other order, and as a number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouped:
    """The group of every test row, and where it is known of every training row.

    Args:
        by: what divides them.
        test: groups of the test rows.
        train: [n] the same of the training rows; the number of groups for those of no such group.
        seed: of what was drawn.
        notes: what the user should know.
    """

    by: str
    test: Labels
    train: NDArray[np.int64] | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> NDArray[np.bool_]:
        """[g] groups with 1 % of the test rows or more; all, where none has."""
        large = 100 * self.test.counts() >= len(self.test)
        return large if large.any() else ~large


class GroupSource(Protocol):
    """Where groups come from."""

    def memory(self, data: Data) -> int:
        """Bytes that finding them takes."""

    def grouped(self, data: Data, watch: Watch) -> Grouped:
        """Find them."""


def open_groups(request: Request, data: Data) -> GroupSource | None:
    """Where the groups come from that are asked for; a column is read, nothing is clustered yet.

    Raises:
        InvalidParameter: no such column, an impossible number of clusters, or too many groups.
    """
    if request.groups is None:
        return None
    if request.groups in data.test.columns.names:
        return _of_column(request.groups, data)
    name, colon, text = request.groups.partition(":")
    t = len(data.test.ids)
    if name != CLUSTERS or not colon:
        columns = ", ".join(data.test.columns.names) or "none"
        raise InvalidParameter(
            f"--groups {request.groups} is no column of {data.test.path} (columns: {columns}), nor "
            "clusters:K, as in clusters:10"
        )
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= min(t, MOST):
        raise InvalidParameter(
            f"--groups clusters:{text}: the number of clusters is 1 to {min(t, MOST):,}, "
            f"{data.test.path} has {t:,} rows"
        )
    return _ByClusters(count=int(text), seed=request.seed, device=request.device)


@dataclass(frozen=True, kw_only=True, eq=False)
class _ByColumn:
    """Groups that are known.

    Args:
        found: the groups.
    """

    found: Grouped

    def memory(self, data: Data) -> int:
        """Held by now."""
        return 0

    def grouped(self, data: Data, watch: Watch) -> Grouped:
        """Found by now."""
        return self.found


@dataclass(frozen=True, kw_only=True)
class _ByClusters:
    """Clusters of the directions of the test vectors, or of the test pixels.

    Pixels are normalised with mean and deviation of the test images, so the groups depend on
    nothing but the test file and the seed.

    Args:
        count: how many.
        seed: of the starts.
        device: where vectors are compared.
    """

    count: int
    seed: int
    device: str

    def memory(self, data: Data) -> int:
        """Of the pixels, and of the rows as they are rounded."""
        t, d, pixels = len(data.test.ids), 0, 0
        if isinstance(data.test, Embeddings):
            d = data.test.matrix.d
        else:
            rows = np.arange(min(FIRST, t))
            some = load_pixels(data.test, channels=None, size=None, rows=rows).values
            d = some[0].size
            pixels = PIXEL_BYTES * t * d
        return pixels + SphericalKMeans().memory(t, d, self.count)

    def grouped(self, data: Data, watch: Watch) -> Grouped:
        """Ten starts, the best of them."""
        test = data.test
        matrix = test.matrix if isinstance(test, Embeddings) else _pixels(test, watch)
        points = Points(matrix, test.ids.key(), find_device(self.device))
        found = best_of_starts(
            fixed(points.unit()),
            self.count,
            Rng(self.seed),
            starts=STARTS,
            progress=lambda done, total: watch("grouping", done, total),
        )
        codes = numbered_by_id(found.codes.cpu().numpy(), points.key.rank)
        names = tuple(map(str, range(self.count)))
        told = () if found.converged else ("k-means of the test rows did not converge",)
        test_groups = Labels(codes, names)
        return Grouped(
            by=f"{CLUSTERS}:{self.count}",
            test=test_groups,
            seed=self.seed,
            notes=(*told, *_small(test_groups)),
        )


def _of_column(name: str, data: Data) -> _ByColumn:
    test, missing = _groups_of(data.test, name)
    if len(test.names) > MOST:
        raise InvalidParameter(
            f"--groups {name}: {data.test.path} has {len(test.names):,} different values there; "
            f"name a column of at most {MOST:,} groups, or clusters:K"
        )
    notes = _small(test)
    if missing:
        notes = (
            f"{missing:,} of {len(test):,} test rows have no {name}: they are the group "
            f"{test.names[-1]}",
            *notes,
        )
    train = None
    if name in data.train.columns.names:
        place = {group: code for code, group in enumerate(test.names)}
        there, _ = _groups_of(data.train, name)
        known = [place.get(group, len(place)) for group in there.names]
        train = np.array(known, np.int64)[there.codes]
    return _ByColumn(found=Grouped(by=f"column {name}", test=test, train=train, notes=notes))


def _groups_of(samples: Samples, name: str) -> tuple[Labels, int]:
    """One group a value, in their order, missing ones last; and how many are missing."""
    values = whole_column(samples.columns.read(name), f"{samples.path}: column '{name}'")
    distinct = pc.unique(values.drop_null())
    distinct = distinct.take(pc.sort_indices(distinct))
    names = [str(value) for value in distinct.to_pylist()]
    codes = pc.fill_null(pc.index_in(values, value_set=distinct), len(names))
    if values.null_count:
        null = "null"
        while null in names:
            null = f"({null})"
        names.append(null)
    return Labels(codes.to_numpy().astype(np.int64), tuple(names)), values.null_count


def _small(groups: Labels) -> tuple[str, ...]:
    """Say which groups do not count, or that none would."""
    sizes = groups.counts()
    small = int((100 * sizes < len(groups)).sum())
    if small == len(sizes):
        return ("no group has 1 % of the test rows: all of them count",)
    if not small:
        return ()
    return (
        f"{small} of {len(sizes)} groups have less than 1 % of the test rows: they do not count as "
        "the worst, nor in the means over groups",
    )


def _pixels(test: Pictures, watch: Watch) -> Matrix:
    """Every test image as one vector of normalised pixels."""
    found = load_pixels(
        test,
        channels=None,
        size=None,
        progress=lambda done, total: watch("decoding test images", done, total),
    )
    images = images_of(found.values, np.zeros(len(found.values), np.int64))
    flat = np.empty((len(images), found.values[0].size), np.float32)
    for start in range(0, len(flat), IMAGES):
        some = slice(start, start + IMAGES)
        flat[some] = images.normalised(some).flatten(1).numpy()
    return Matrix([Shard(test.path, flat)])
