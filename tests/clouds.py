"""Points and inputs made of arrays: what kernels and methods are tested on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import ArrayLike, NDArray

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, Snapshot
from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.artifacts.signals import Signals, SignalsRecord
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.centre import GeometricMedian, geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.points import Points
from coreset_cli.selector import Field, Inputs, needs
from coreset_cli.training.record import Recorder


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


SIGNALS = needs("dynamics", "early", "held_out", "last")


def signals_of(inputs: Inputs, wanted: frozenset[Field], epochs: int = 12) -> Signals | None:
    """Signals that a row's values and label decide; of those not wanted there are none.

    Logits are affine in the row, squashed so that it may be far out, by weights that turn from
    epoch to epoch; each is computed row by row, as the place of a row must not change its bits.
    """
    if not wanted & SIGNALS:
        return None
    rows = inputs.embeddings.rows(torch.arange(inputs.n)).numpy()
    feature = np.arctan(rows).astype(np.float32)
    labels = inputs.classes or Labels(np.zeros(inputs.n, np.int64), ("0",))
    names = (*labels.names, "another class")
    turns = np.sin(np.arange(len(names) * feature.shape[1])).reshape(len(names), -1)

    def weight(epoch: int) -> NDArray[np.float32]:
        return (turns * 3 * np.cos(epoch + np.arange(len(names)))[:, None]).astype(np.float32)

    def logits(epoch: int) -> NDArray[np.float32]:
        return sum(
            column[:, None] * w for column, w in zip(feature.T, weight(epoch).T, strict=True)
        )

    def picture(epoch: int) -> Snapshot:
        bias = np.zeros(len(names), np.float32)
        return Snapshot(
            epoch=epoch, logits=logits(epoch), feature=feature, weight=weight(epoch), bias=bias
        )

    shown = epochs if "dynamics" in wanted else 0
    recorder = Recorder(n=inputs.n, classes=len(names), epochs=shown)
    for epoch in range(shown):
        recorder(
            epoch,
            torch.arange(inputs.n),
            torch.from_numpy(logits(epoch)),
            torch.from_numpy(labels.codes),
        )
    return Signals(
        ids=row_numbers(inputs.n),
        labels=Labels(labels.codes, names),
        record=_record(names),
        dynamics=recorder.dynamics(),
        snapshots=((picture(epochs // 2), picture(epochs)) if wanted & {"early", "last"} else ()),
        held_out=logits(epochs + 1) if "held_out" in wanted else None,
    )


def scores_of(inputs: Inputs) -> NDArray[np.float64]:
    """A score that the row's values decide."""
    return inputs.embeddings.rows(torch.arange(inputs.n))[:, 0].numpy().copy()


def _record(names: tuple[str, ...]) -> SignalsRecord:
    return SignalsRecord(
        network="made by hand",
        recipe={},
        seed=0,
        classes=names,
        labels_digest="",
        epochs=1,
        snapshot_epochs=(1,),
        view="eval",
    )


def with_signals(
    inputs: Inputs,
    *,
    targets: ArrayLike | None = None,
    shot: Snapshot | None = None,
    held_out: ArrayLike | None = None,
    **series: ArrayLike,
) -> Inputs:
    """Inputs with signals as they are given; epochs that nothing is said of are NaN.

    Args:
        inputs: the rows.
        targets: class of each row; 0 where not given.
        shot: the network, early and at the end.
        held_out: logits.
        series: of the dynamics.
    """
    given = {name: np.asarray(values) for name, values in series.items()}
    e = max([0, *(values.shape[1] for values in given.values())])
    empty = dict.fromkeys(SERIES, np.full((inputs.n, e), np.nan, np.float32))
    floats = {name: values.astype(np.float32) for name, values in given.items()}
    correct = given.get("correct", np.zeros((inputs.n, e))).astype(bool)
    codes = np.zeros(inputs.n, np.int64) if targets is None else np.asarray(targets)
    names = tuple(map(str, range(10)))
    signals = Signals(
        ids=row_numbers(inputs.n),
        labels=Labels(codes, names),
        record=_record(names),
        dynamics=Dynamics(**{**empty, **floats, "correct": correct}),
        snapshots=() if shot is None else (shot,),
        held_out=None if held_out is None else np.asarray(held_out, np.float32),
    )
    return replace(inputs, signals=signals)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ignore(done: int, total: int) -> None:
    """Progress that nobody watches."""


def median_of(points: Points, **options: object) -> GeometricMedian:
    """Geometric median of points."""
    return geometric_median(fixed(points), **options)


def drawn(kind: str, n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    """Rows of a kind that kernels must stand: see `KINDS`."""
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        return KINDS[kind](rng, n, d).astype(np.float32)


def _outside(rng: np.random.Generator, n: int, d: int, size: float) -> NDArray[np.float64]:
    """A third of the rows, at most, far out."""
    rows = rng.normal(size=(n, d))
    return np.where(rng.random((n, 1)) < 0.3, size * rows, rows)


def _one_hot(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float64]:
    rows = np.zeros((n, d))
    rows[np.arange(n), rng.integers(0, d, n)] = rng.choice([-1.0, 1.0], n)
    return rows


KINDS = {
    "isotropic": lambda rng, n, d: rng.normal(size=(n, d)),
    "power law": lambda rng, n, d: rng.normal(size=(n, d)) / np.sqrt(1 + np.arange(d)),
    "blobs": lambda rng, n, d: (
        5 * rng.normal(size=(9, d))[rng.integers(0, 9, n)] + rng.normal(size=(n, d))
    ),
    "heavy tails": lambda rng, n, d: rng.standard_t(1.5, size=(n, d)),
    "gross outliers": lambda rng, n, d: _outside(rng, n, d, 1e3) + (1e3 if n else 0),
    "bytes": lambda rng, n, d: rng.integers(0, 256, (n, d)) / 255,
    "binary": lambda rng, n, d: rng.integers(0, 2, (n, d)) / 10,
    "few values": lambda rng, n, d: rng.integers(-1, 2, (n, 1)) * np.ones(d),
    "equal": lambda rng, n, d: np.full((n, d), 0.1),
    "half equal": lambda rng, n, d: np.where(
        np.arange(n)[:, None] < 0.51 * n, 0.1, rng.normal(size=(n, d))
    ),
    "one-hot": _one_hot,
    "offset": lambda rng, n, d: 1e6 + rng.normal(size=(n, d)),
    "tiny": lambda rng, n, d: 1e-30 * rng.normal(size=(n, d)),
    "huge": lambda rng, n, d: 1e30 * rng.normal(size=(n, d)),
    "far": lambda rng, n, d: _outside(rng, n, d, 1e6),
    "farther": lambda rng, n, d: _outside(rng, n, d, 1e30),
    "extremes": lambda rng, n, d: rng.choice([1e-45, 1.0, 3.4e38, -3.4e38], (n, d)),
}
"""Makers of rows, by what they try: arguments are a generator, n and d."""
