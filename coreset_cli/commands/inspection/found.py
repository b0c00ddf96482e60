"""What was asked of a file, and what was found."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from coreset_cli.artifacts.columns import Columns, find_ids, find_labels
from coreset_cli.artifacts.ids import Ids, row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.errors import ArtifactError

__all__ = ["Info", "Named", "Question", "Watch", "counts_of", "named_in"]

Watch = Callable[[str, int, int], None]
"""Told of a stage, the rows done, and all of them."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a user asked about.

    Args:
        path: a file, a folder, `digits:train`, or `-` for stdin.
        column: column of vectors.
        ids: column of ids.
        label: column or file of labels.
    """

    path: str
    column: str | None = None
    ids: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a file is; fields that it has not are left empty.

    Args:
        path: as the user typed it.
        kind: vectors, images, synthetic, selection, table, checkpoint, signals, report or manifest.
        rows: number of rows.
        width: values a row.
        dtype: type of the values as stored.
        shapes: images of each shape, most first.
        files: what the path stands for, in the order read.
        ids: row number, integer or text.
        classes: rows of each class.
        columns: other scalar columns.
        content_digest: SHA-256 over values, ids and labels.
        ids_digest: SHA-256 of the ids, one a line, in order.
        manifest: how it came about.
        facts: of a network, its signals, a report or a synthetic set, what a reader wants first.
        warnings: what the user should know.
        faults: what is wrong with it.
    """

    path: str
    kind: str
    rows: int | None = None
    width: int | None = None
    dtype: str | None = None
    shapes: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    ids: str | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    content_digest: str | None = None
    ids_digest: str | None = None
    manifest: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Named:
    """Ids and labels as far as they can be used, and what cannot."""

    ids: Ids
    labels: Labels | None
    faults: tuple[str, ...]


def named_in(question: Question, columns: Columns, n: int) -> Named:
    """Ids and labels of a question; what is wrong with them becomes a fault."""
    faults: list[str] = []
    ids, labels = row_numbers(n), None
    try:
        ids = find_ids(columns, n, question.ids, question.path)
    except ArtifactError as error:
        faults.append(str(error))
    try:
        labels = find_labels(columns, n, question.label, question.path)
    except ArtifactError as error:
        faults.append(str(error))
    return Named(ids=ids, labels=labels, faults=tuple(faults))


def counts_of(labels: Labels | None) -> dict[str, int]:
    """Rows of each class."""
    if labels is None:
        return {}
    return dict(zip(labels.names, labels.counts().tolist(), strict=True))
