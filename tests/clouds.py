"""Points and inputs made of arrays: what kernels and methods are tested on."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import ArrayLike, NDArray

from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import make_labels
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.centre import GeometricMedian, geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.points import Points
from coreset_cli.selector import Inputs


def ids_of(n: int, ids: Sequence[int | str] | NDArray[np.int64] | None = None) -> Ids:
    return row_numbers(n) if ids is None else make_ids(pa.array(ids), "ids")


def points_of(
    rows: ArrayLike, ids: Sequence[int | str] | NDArray[np.int64] | None = None
) -> Points:
    """Points of an array as it is, or of a list as float32."""
    array = rows if isinstance(rows, np.ndarray) else np.array(rows, np.float32)
    return Points(Matrix([Shard("rows", array)]), ids_of(len(array), ids).key())


def inputs_of(
    rows: ArrayLike,
    labels: ArrayLike | None = None,
    ids: Sequence[int | str] | NDArray[np.int64] | None = None,
) -> Inputs:
    """Inputs of an array, with labels and ids where given."""
    points = points_of(rows, ids)
    classes = None if labels is None else make_labels(pa.array(np.asarray(labels)), "labels")
    return Inputs(key=points.key, points=points, classes=classes)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ignore(done: int, total: int) -> None:
    """Progress that nobody watches."""


def median_of(points: Points, **options: object) -> GeometricMedian:
    """Geometric median of points."""
    return geometric_median(fixed(points), **options)
