"""Networks made of arrays: what gradient methods are tested on."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
from clouds import ids_of
from numpy.typing import ArrayLike

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, Snapshot
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.artifacts.signals import Signals
from coreset_cli.kernels.gradients import RankOne
from coreset_cli.selector import Inputs


def shot_of(feature: ArrayLike, weight: ArrayLike, bias: ArrayLike) -> Snapshot:
    """A linear layer that has seen these features."""
    h, w, b = (np.asarray(values, np.float32) for values in (feature, weight, bias))
    return Snapshot(epoch=1, logits=h @ w.T + b, feature=h, weight=w, bias=b)


def shot_of_logits(logits: ArrayLike, feature: ArrayLike) -> Snapshot:
    """A network of which only these are known."""
    z, h = np.asarray(logits, np.float32), np.asarray(feature, np.float32)
    c, d = z.shape[1], h.shape[1]
    zeros = np.zeros((c, d), np.float32)
    return Snapshot(epoch=1, logits=z, feature=h, weight=zeros, bias=zeros[:, 0])


def drawn_shot(n: int, c: int, d: int, seed: int = 0) -> Snapshot:
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=(n, d))
    return shot_of(feature, rng.normal(size=(c, d)), rng.normal(size=c))


def seen_by(shot: Snapshot, codes: ArrayLike, ids: ArrayLike | None = None) -> Inputs:
    """Inputs of rows of these classes, and one network early on and at the end."""
    codes = np.asarray(codes, np.int64)
    n, c = shot.logits.shape
    names = tuple(map(str, range(c)))
    series = {name: np.zeros((n, 1), np.float32) for name in SERIES}
    series["correct"] = np.zeros((n, 1), bool)
    rows = ids_of(n, cast(Any, ids))
    signals = Signals(
        ids=rows,
        labels=Labels(codes, names),
        record=cast(Any, SimpleNamespace()),
        dynamics=Dynamics(**cast(Any, series)),
        snapshots=(shot,),
    )
    return Inputs(key=rows.key(), classes=make_labels(pa.array(codes), "labels"), signals=signals)


def vectors(rows: ArrayLike) -> RankOne:
    """Vectors as matrices of one row."""
    right = np.asarray(rows, np.float64)
    return RankOne(left=np.ones((len(right), 1)), right=right)


def drawn_matrices(n: int, c: int, q: int, seed: int = 0) -> RankOne:
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(n, q)).astype(np.float32)
    return RankOne(left=rng.normal(size=(n, c)), right=right)


def whole(matrices: RankOne) -> np.ndarray:
    """[n, c·q] every entry, written out."""
    outer = np.einsum("nc,nq->ncq", matrices.left, matrices.right.astype(np.float64))
    return outer.reshape(matrices.n, -1)
