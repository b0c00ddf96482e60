"""Vectors with their ids, labels and scalar columns, in any of the formats that are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from coreset_cli.artifacts.columns import Columns, columns_on_disk, find_ids, find_labels
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.shards import order_warning
from coreset_cli.artifacts.sources import open_sources
from coreset_cli.errors import IdMismatch, NotFinite
from coreset_cli.io.matrix import Matrix

__all__ = [
    "Columns",
    "Embeddings",
    "Scan",
    "columns_on_disk",
    "find_ids",
    "name_of",
    "open_embeddings",
    "order_warning",
    "require_finite",
    "scan",
]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """An input of vectors; row i of everything is the same sample.

    Args:
        path: as the user typed it.
        files: what it stands for, in the order read.
        matrix: [n, d] vectors.
        columns: scalar columns beside them.
        ids: one name a row.
        labels: one class a row, where the input has labels.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    matrix: Matrix
    columns: Columns
    ids: Ids
    labels: Labels | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """What one pass over the vectors found.

    Args:
        record: rows, width, type and digests, for the manifest.
        zero_rows: rows that are all zero.
        bad_rows: the first rows with NaN, Inf or values beyond float32.
        bad_count: how many of them there are.
    """

    record: InputRecord
    zero_rows: int
    bad_rows: tuple[int, ...]
    bad_count: int


def open_embeddings(
    paths: Sequence[str],
    *,
    column: str | None = None,
    ids: str | None = None,
    label: str | None = None,
) -> Embeddings:
    """Open vectors wherever they are; large ones stay on disk.

    Args:
        paths: a file, a folder, `digits:train`, `-` for stdin; several files are one input.
        column: the column of vectors, or the array of an `.npz`.
        ids: the column of ids.
        label: the column of labels, or a file with one label a row.

    Raises:
        FileMissing: an input is not there.
        ArtifactError: an input is not what it should be.
        InvalidParameter: a column named does not exist.
    """
    source = open_sources(paths, column)
    if source.misaligned:
        raise IdMismatch(source.misaligned[0])
    name, n = name_of(paths), source.matrix.n
    return Embeddings(
        path=name,
        files=source.files,
        matrix=source.matrix,
        columns=source.columns,
        ids=find_ids(source.columns, n, ids, name),
        labels=find_labels(source.columns, n, label, name),
        warnings=source.warnings,
    )


def name_of(paths: Sequence[str]) -> str:
    """What messages and manifests call an input."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def scan(
    embeddings: Embeddings, progress: Callable[[int, int], None] = lambda done, total: None
) -> Scan:
    """Read all vectors once: digest them and look for values that cannot be used.

    Args:
        embeddings: what to read.
        progress: called with rows done and rows in all.
    """
    matrix = embeddings.matrix
    digest = sha256(f"{matrix.n} {matrix.d} {matrix.dtype.name}\n".encode())
    bad_rows: list[int] = []
    bad_count = zero_rows = 0
    little = matrix.dtype.newbyteorder("<")
    with np.errstate(over="ignore", invalid="ignore"):
        for start, block in matrix.blocks():
            digest.update(block.astype(little, copy=False).data)
            single = block.astype(np.float32, copy=False)
            bad = np.flatnonzero(~np.isfinite(single).all(axis=1))
            bad_count += len(bad)
            bad_rows += (start + bad[: 3 - len(bad_rows)]).tolist()
            zero_rows += int((~single.any(axis=1)).sum())
            progress(start + len(block), matrix.n)
    ids_digest = embeddings.ids.digest()
    digest.update(ids_digest.encode())
    if embeddings.labels is not None:
        digest.update(embeddings.labels.digest().encode())
    record = InputRecord(
        path=embeddings.path,
        files=embeddings.files,
        rows=matrix.n,
        width=matrix.d,
        dtype=matrix.dtype.name,
        content_digest=digest.hexdigest(),
        ids_digest=ids_digest,
        row_number_ids=embeddings.ids.is_row_number,
    )
    return Scan(record, zero_rows, tuple(bad_rows), bad_count)


def require_finite(embeddings: Embeddings, found: Scan) -> None:
    """Refuse vectors with NaN or Inf.

    Raises:
        NotFinite: naming the file, the first rows and the remedy.
    """
    if found.bad_count:
        first = embeddings.matrix.where(found.bad_rows[0])
        others = f" and {found.bad_count - 1} more rows" if found.bad_count > 1 else ""
        raise NotFinite(
            f"{first}{others} hold NaN, Inf or values beyond float32; "
            "drop those rows, or embed them again"
        )
