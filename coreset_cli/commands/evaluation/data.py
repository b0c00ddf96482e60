"""The inputs of an evaluation, checked against each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings, Scan, open_embeddings, require_finite, scan
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.pictures import Pictures, open_pictures, record_of
from coreset_cli.artifacts.samples import column_labels, require_labels
from coreset_cli.commands.evaluation.choosers import Chooser, choosers_of, memory_of_choosers
from coreset_cli.commands.evaluation.learned import (
    Learned,
    open_learned,
    open_learned_all,
    refuse_synthetic,
)
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.select import Watch, zero_warning
from coreset_cli.commands.select_memory import memory_of_any
from coreset_cli.device import START_UP, find_device
from coreset_cli.errors import IdMismatch, SchemaMismatch
from coreset_cli.kernels.points import Points

__all__ = ["Data", "Scanned", "bytes_of", "open_data", "scan_data"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is selected from and trained on, and what is judged by.

    Args:
        train: the training file.
        test: the test file.
        labels: training labels.
        target: [t] class of each test row among the training classes; a class of its own, from
            c upwards, where the training file lacks it.
        names: label of every class, the training classes first.
        vectors: what methods select from, row by row the training file, under its labels; none
            where models train on images and no vectors of them are given.
        points: these vectors, where there are any.
        choosers: the methods that select.
        choosing: bytes that the hungriest of them takes beyond those counted for any method.
        warnings: what the user should know.
        own: the synthetic set that the training file is, where it is one.
        learned: the synthetic sets among the results.
    """

    train: Embeddings | Pictures
    test: Embeddings | Pictures
    labels: Labels
    target: NDArray[np.int64]
    names: tuple[str, ...]
    vectors: Embeddings | None
    points: Points | None
    choosers: tuple[Chooser, ...]
    choosing: int
    warnings: tuple[str, ...]
    own: Learned | None = None
    learned: Mapping[Path, Learned] = field(default_factory=dict)

    @property
    def samples(self) -> Embeddings | Pictures:
        """What methods select from: vectors, where there are any, else the images' ids."""
        return self.train if self.vectors is None else self.vectors

    @property
    def n(self) -> int:
        """Training rows."""
        return len(self.train.ids)

    @property
    def pictures_a_row(self) -> int:
        """What a network trains on for each training row."""
        return 1 if self.own is None else self.own.parts


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What one pass over the inputs found.

    Args:
        train: record of the training file.
        test: of the test file.
        warnings: what the user should know.
    """

    train: InputRecord
    test: InputRecord
    warnings: tuple[str, ...]


def open_data(request: Request) -> Data:
    """Open all inputs; no vector and no image is read yet.

    Raises:
        SchemaMismatch: vectors of another width.
        IdMismatch: vectors of other rows than the images.
        InvalidParameter: no labels.
        InfeasibleBudget: more rows than there are.
        CoresetError: whatever opening raises.
    """
    train, test = _opened(request)
    if request.test_label is None and request.label in test.columns.names:
        test = replace(test, labels=column_labels(test, str(request.label)))
    labels = require_labels(train)
    target, names, warnings = _matched(labels, require_labels(test, "--test-label"), test.path)
    own = None
    if request.network is not None and (own := open_learned(request.train, None, "")) is not None:
        own = replace(own, codes=labels.codes)
    learned = open_learned_all(
        request.selections, labels, train.path, trains_networks=request.network is not None
    )
    vectors = train if isinstance(train, Embeddings) else _vectors_of(request, train, labels)
    samples = train if vectors is None else vectors
    device = find_device(request.device)
    choosers = choosers_of(request, samples)
    choosing = memory_of_choosers(choosers, request, samples, device)
    points = None
    if vectors is not None:
        beside = sum(memory_of_any(v) for v in (vectors, test) if isinstance(v, Embeddings))
        room = max(0, request.max_memory - START_UP - beside - choosing)
        points = Points(
            vectors.matrix,
            vectors.ids.key(),
            device,
            room=room // 2,  # `gamma` holds rows twice
        )
    return Data(
        train=train,
        test=test,
        labels=labels,
        target=target,
        names=names,
        vectors=vectors,
        points=points,
        choosers=choosers,
        choosing=choosing,
        warnings=(*train.warnings, *test.warnings, *warnings),
        own=own,
        learned=learned,
    )


def scan_data(data: Data, watch: Watch) -> Scanned:
    """Read all inputs once: digests, and values that cannot be used.

    Raises:
        NotFinite: NaN or Inf.
    """
    warnings: tuple[str, ...] = ()

    def record(samples: Embeddings | Pictures) -> InputRecord:
        if samples is data.train and data.own is not None:
            return data.own.record
        if isinstance(samples, Pictures):
            return record_of(samples, lambda done, total: watch("reading", done, total))
        found = _scan_vectors(samples, watch)
        nonlocal warnings
        if samples is data.vectors:
            warnings = zero_warning(samples, found)
        return found.record

    train, test = record(data.train), record(data.test)
    if data.vectors is not None and data.vectors is not data.train:
        record(data.vectors)  # for what it refuses
    if train.files == test.files or train.content_digest == test.content_digest:
        warnings += (
            f"{data.test.path} is the training file: models are judged by rows they trained on, "
            "and the numbers say nothing of new data; give held-out rows with --test",
        )
    return Scanned(train=train, test=test, warnings=warnings)


def bytes_of(data: Data) -> int:
    """Bytes of all inputs, read once."""
    inputs = {id(samples): samples for samples in (data.train, data.test, data.vectors)}
    total = 0
    for samples in inputs.values():
        if isinstance(samples, Embeddings):
            total += samples.matrix.n * samples.matrix.d * samples.matrix.dtype.itemsize
        elif isinstance(samples, Pictures):
            total += samples.data.size(np.arange(len(samples)))
    return total


def _opened(request: Request) -> tuple[Embeddings | Pictures, Embeddings | Pictures]:
    """Training and test file, both of vectors or both of images."""
    refuse_synthetic(request.test, as_test=True)
    if request.network is not None:
        column, root = request.column, request.root
        train = open_pictures(
            [request.train], column=column, ids=request.ids, label=request.label, root=root
        )
        return train, open_pictures(
            [request.test], column=column, label=request.test_label, root=root
        )
    refuse_synthetic(request.train)
    vectors = open_embeddings(
        [request.train], column=request.column, ids=request.ids, label=request.label
    )
    test = open_embeddings([request.test], column=request.column, label=request.test_label)
    if test.matrix.d != vectors.matrix.d:
        raise SchemaMismatch(
            f"{test.path} has vectors of width {test.matrix.d}, {vectors.path} of width "
            f"{vectors.matrix.d}; embed both with one encoder"
        )
    return vectors, test


def _vectors_of(request: Request, train: Pictures, labels: Labels) -> Embeddings | None:
    """Vectors of the training images under their labels, where they are given."""
    if request.embeddings is None:
        return None
    vectors = open_embeddings([request.embeddings], ids=request.ids)
    if vectors.ids.digest() != train.ids.digest():
        raise IdMismatch(
            f"{vectors.path} has {len(vectors.ids)} rows, {train.path} {len(train.ids)}, and their "
            "ids are not the same in the same order; embed the training images again"
        )
    return replace(vectors, labels=labels)


def _scan_vectors(vectors: Embeddings, watch: Watch) -> Scan:
    found = scan(vectors, lambda done, total: watch("reading", done, total))
    require_finite(vectors, found)
    return found


def _matched(
    train: Labels, test: Labels, path: str
) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """Test labels as training classes, joined by their texts."""
    place = {name: code for code, name in enumerate(train.names)}
    unseen = [name for name in test.names if name not in place]
    place |= {name: len(train.names) + code for code, name in enumerate(unseen)}
    target = np.array([place[name] for name in test.names], np.int64)[test.codes]
    if not unseen:
        return target, train.names, ()
    rows = int((target >= len(train.names)).sum())
    shown = ", ".join(unseen[:5]) + (", …" if len(unseen) > 5 else "")
    warning = (
        f"{path} has classes that the training file lacks ({shown}): "
        f"{rows} of {len(target)} test rows are counted as wrong"
    )
    return target, (*train.names, *unseen), (warning,)
