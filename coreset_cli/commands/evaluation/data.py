"""The two files of an evaluation, checked against each other."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings, Scan, open_embeddings, require_finite, scan
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.select import Watch, zero_warning
from coreset_cli.device import find_device
from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.kernels.points import Points

__all__ = ["Data", "open_data", "scan_data"]


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
        points: the training vectors.
        warnings: what the user should know.
    """

    train: Embeddings
    test: Embeddings
    labels: Labels
    target: NDArray[np.int64]
    names: tuple[str, ...]
    points: Points
    warnings: tuple[str, ...]


def open_data(request: Request) -> Data:
    """Open both files; no vector is read yet.

    Raises:
        SchemaMismatch: vectors of another width.
        InvalidParameter: no labels.
        CoresetError: whatever opening raises.
    """
    train = open_embeddings(
        [request.train], column=request.column, ids=request.ids, label=request.label
    )
    test = open_embeddings([request.test], column=request.column, label=request.test_label)
    if request.test_label is None and request.label in test.columns.names:
        test = replace(test, labels=test.column_labels(str(request.label)))
    if test.matrix.d != train.matrix.d:
        raise SchemaMismatch(
            f"{test.path} has vectors of width {test.matrix.d}, {train.path} of width "
            f"{train.matrix.d}; embed both with one encoder"
        )
    labels = train.require_labels()
    if test.labels is None:
        raise InvalidParameter(
            f"{test.path} has no labels (columns: {', '.join(test.columns.names) or 'none'}); "
            "name a column or a file with --test-label"
        )
    target, names, warnings = _matched(labels, test.labels, test.path)
    points = Points(train.matrix, train.ids.key(), find_device(request.device))
    return Data(
        train=train,
        test=test,
        labels=labels,
        target=target,
        names=names,
        points=points,
        warnings=(*train.warnings, *test.warnings, *warnings),
    )


def scan_data(data: Data, watch: Watch) -> tuple[InputRecord, InputRecord, tuple[str, ...]]:
    """Read both files once: digests, and values that cannot be used.

    Raises:
        NotFinite: NaN or Inf.
    """
    found: list[Scan] = []
    for embeddings in (data.train, data.test):
        one = scan(embeddings, lambda done, total: watch("reading", done, total))
        require_finite(embeddings, one)
        found.append(one)
    train, test = found
    same_files = train.record.files == test.record.files
    warnings = zero_warning(data.train, train)
    if same_files or train.record.content_digest == test.record.content_digest:
        warnings += (
            f"{data.test.path} is the training file: models are judged by rows they trained on, "
            "and the numbers say nothing of new data; give held-out rows with --test",
        )
    return train.record, test.record, warnings


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
