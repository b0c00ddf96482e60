"""`info`: what a file is, and what is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coreset_cli.artifacts.columns import Columns, columns_on_disk, find_ids, find_labels
from coreset_cli.artifacts.embeddings import Embeddings, scan
from coreset_cli.artifacts.faults import first_repeat, repeated_rows
from coreset_cli.artifacts.ids import Ids, row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import MANIFEST_KEY, manifest_of, read_record
from coreset_cli.artifacts.selection import digest_fault
from coreset_cli.artifacts.selection_file import read_unchecked
from coreset_cli.artifacts.sources import open_sources
from coreset_cli.errors import ArtifactError
from coreset_cli.io.access import is_folder, read_errors
from coreset_cli.io.npy import npy_dimensions
from coreset_cli.io.parquet import read_rows, read_schema
from coreset_cli.io.sniff import first_bytes, kind_of_bytes
from coreset_cli.io.vectors import has_vectors

__all__ = ["Info", "Question", "info"]

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
        kind: vectors, selection, table or manifest.
        rows: number of rows.
        width: values a row.
        dtype: type of the values as stored.
        files: what the path stands for, in the order read.
        ids: row number, integer or text.
        classes: rows of each class.
        columns: other scalar columns.
        content_digest: SHA-256 over values, ids and labels.
        ids_digest: SHA-256 of the ids, one a line, in order.
        manifest: how it came about.
        warnings: what the user should know.
        faults: what is wrong with it.
    """

    path: str
    kind: str
    rows: int | None = None
    width: int | None = None
    dtype: str | None = None
    files: tuple[str, ...] = ()
    ids: str | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    content_digest: str | None = None
    ids_digest: str | None = None
    manifest: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        return asdict(self)


def info(question: Question, watch: Watch) -> Info:
    """Say what a file is and list its faults.

    Raises:
        CoresetError: the file cannot be read at all.
    """
    path = Path(question.path)
    if question.path == "-" or question.path.startswith("digits:") or is_folder(path):
        return _vectors(question, None, watch)
    if path.is_fifo():
        return _vectors(question, None, watch)
    start = first_bytes(path)
    kind = kind_of_bytes(start)
    if kind == "parquet":
        return _parquet(question, path, watch)
    if kind == "npy":
        flat = npy_dimensions(path) == 1
        return _selection(question) if flat else _vectors(question, None, watch)
    if kind is not None or path.suffix.lower() in {".npy", ".npz", ".parquet", ".safetensors"}:
        return _vectors(question, None, watch)
    if start.lstrip().startswith(b"{"):
        return _json(question, path)
    return _selection(question)


def _parquet(question: Question, path: Path, watch: Watch) -> Info:
    schema = read_schema(path)
    text = (schema.metadata or {}).get(MANIFEST_KEY)
    if {"index", "id", "rank"} <= set(schema.names):
        return _selection(question)
    manifest = read_record(text, str(path)) if text else None
    if question.column is not None or has_vectors(schema):
        return _vectors(question, manifest, watch)
    columns, rows = columns_on_disk([path]), read_rows(path)
    named = _named(question, columns, rows)
    return Info(
        path=question.path,
        kind="table",
        rows=rows,
        files=(str(path),),
        ids=named.ids.kind,
        ids_digest=named.ids.digest(),
        classes=_counts(named.labels),
        columns=tuple(schema.names),
        manifest=manifest,
        faults=named.faults,
    )


def _json(question: Question, path: Path) -> Info:
    with read_errors(path):
        record = read_record(path.read_bytes(), question.path)
    if "rows" in record and "inputs" in record:
        return _selection(question)
    manifest_of(record, question.path)
    return Info(path=question.path, kind="manifest", files=(question.path,), manifest=record)


def _selection(question: Question) -> Info:
    selection = read_unchecked(Path(question.path))
    manifest = selection.manifest
    fault = digest_fault(selection)
    faults = () if fault is None else (fault,)
    if manifest is None:
        faults = ("no manifest: nothing says which data these rows are of; select again",)
    counts: dict[str, int] = {}
    for label in () if selection.labels is None else selection.labels.tolist():
        counts[label] = counts.get(label, 0) + 1
    return Info(
        path=question.path,
        kind="selection",
        rows=len(selection.rows),
        files=(question.path,),
        ids=selection.ids.kind,
        ids_digest=selection.ids.digest(),
        classes=counts,
        manifest=None if manifest is None else asdict(manifest),
        faults=faults,
    )


@dataclass(frozen=True, kw_only=True)
class _Named:
    """Ids and labels as far as they can be used, and what cannot."""

    ids: Ids
    labels: Labels | None
    faults: tuple[str, ...]


def _named(question: Question, columns: Columns, n: int) -> _Named:
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
    return _Named(ids=ids, labels=labels, faults=tuple(faults))


def _vectors(question: Question, manifest: Mapping[str, Any] | None, watch: Watch) -> Info:
    source = open_sources([question.path], question.column)
    n = source.matrix.n
    named = _named(question, source.columns, n)
    data = Embeddings(
        path=question.path,
        files=source.files,
        matrix=source.matrix,
        columns=source.columns,
        ids=named.ids,
        labels=named.labels,
    )
    found = scan(data, lambda done, total: watch("reading", done, total))
    faults = [*source.misaligned, *named.faults]
    if found.bad_count:
        where = source.matrix.where(found.bad_rows[0])
        faults.append(
            f"{found.bad_count} rows hold NaN, Inf or values beyond float32, first {where}; "
            "drop them or embed them again"
        )
    if found.zero_rows:
        faults.append(f"{found.zero_rows} rows are all zero: they have no direction; drop them")
    repeats = repeated_rows(source.matrix, lambda done, total: watch("comparing", done, total))
    if len(repeats):
        row = int(repeats[0])
        earlier = source.matrix.where(first_repeat(source.matrix, row))
        faults.append(
            f"{len(repeats)} rows repeat an earlier one exactly, first {source.matrix.where(row)}, "
            f"which equals {earlier}; drop the copies"
        )
    return Info(
        path=question.path,
        kind="vectors",
        rows=n,
        width=source.matrix.d,
        dtype=source.matrix.dtype.name,
        files=source.files,
        ids=named.ids.kind,
        classes=_counts(named.labels),
        columns=source.columns.names,
        content_digest=found.record.content_digest,
        ids_digest=found.record.ids_digest,
        manifest=manifest,
        warnings=source.warnings,
        faults=tuple(faults),
    )


def _counts(labels: Labels | None) -> dict[str, int]:
    if labels is None:
        return {}
    return dict(zip(labels.names, labels.counts().tolist(), strict=True))
