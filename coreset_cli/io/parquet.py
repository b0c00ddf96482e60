"""Tables in Parquet files: schemas, columns, rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.atomic import whole_file

__all__ = [
    "is_vector",
    "parquet_file",
    "read_column",
    "read_rows",
    "read_schema",
    "read_table",
    "readable",
    "scalar_names",
    "whole_column",
    "write_batches",
    "write_parquet",
]

ROW_GROUP_BYTES = 48 << 20


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Translate Arrow's words for a broken file."""
    try:
        with read_errors(path):
            yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ArtifactIncomplete(
            f"{path} is truncated or damaged ({reason}); write it again"
        ) from error


def read_schema(path: Path) -> pa.Schema:
    """Columns of a Parquet file.

    Raises:
        ArtifactIncomplete: empty, truncated or damaged.
    """
    with readable(path):
        return pq.read_schema(path)


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds vectors: lists of numbers."""
    if isinstance(kind, pa.BaseExtensionType):  # a tensor of fixed shape
        kind = kind.storage_type
    if not (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        return False
    return pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)


def scalar_names(schema: pa.Schema) -> list[str]:
    """Columns that hold one value a row."""
    return [
        field.name
        for field in schema
        if not pa.types.is_nested(field.type) and not is_vector(field.type)
    ]


def read_rows(path: Path) -> int:
    """Number of rows of a Parquet file.

    Raises:
        ArtifactIncomplete: empty, truncated or damaged.
    """
    with readable(path):
        return pq.read_metadata(path).num_rows


def read_column(paths: Iterable[Path], column: str) -> pa.ChunkedArray:
    """One scalar column over several files.

    Raises:
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: a file lacks the column, or the types do not go together.
    """
    chunks: list[pa.Array] = []
    for path in paths:
        schema = read_schema(path)
        if column not in schema.names:
            raise SchemaMismatch(f"{path} has no column '{column}', the other files have")
        with readable(path):
            chunks += parquet_file(path).read(columns=[column]).column(column).chunks
    try:
        return pa.chunked_array(chunks)
    except pa.ArrowInvalid as error:
        raise SchemaMismatch(f"column '{column}' has other types in other files") from error


def whole_column(column: pa.ChunkedArray | pa.Array, name: str) -> pa.Array:
    """One array of a column: dictionaries decoded, texts as `large_string`, which has no limit.

    Args:
        column: one value a row.
        name: file and column, for messages.

    Raises:
        ArtifactIncomplete: texts that are no UTF-8.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = pa.types.is_string(kind) or pa.types.is_string_view(kind)
    with readable(name):
        if kind != column.type or is_text:
            column = column.cast(pa.large_string() if is_text else kind)
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        whole.validate(full=True)
    return whole


def read_table(path: Path) -> pa.Table:
    """A whole Parquet file, in memory.

    Raises:
        ArtifactIncomplete: truncated or damaged.
    """
    with readable(path):
        return parquet_file(path).read()


def write_parquet(path: Path, table: pa.Table, vectors: Sequence[str] = ()) -> None:
    """Write a table, whole or not at all, in row groups of about 48 MB.

    Args:
        path: where to.
        table: what to.
        vectors: columns of vectors, written plain: what helps text costs time on them, and
            gains nothing.
    """
    row_bytes = max(1, table.nbytes // max(1, table.num_rows))
    with whole_file(path) as part:
        pq.write_table(
            table,
            part,
            row_group_size=max(1, ROW_GROUP_BYTES // row_bytes),
            **_encoding(table.schema, vectors),
        )


def write_batches(path: Path, batches: pa.RecordBatchReader, vectors: Sequence[str] = ()) -> None:
    """Write batches as they come, whole or not at all; holds one row group of about 48 MB.

    Args:
        path: where to.
        batches: what to, in small pieces.
        vectors: columns of vectors, as for `write_parquet`.
    """
    group: list[pa.RecordBatch] = []
    with (
        whole_file(path) as part,
        pq.ParquetWriter(part, batches.schema, **_encoding(batches.schema, vectors)) as writer,
    ):
        for batch in batches:
            group.append(batch)
            if sum(piece.nbytes for piece in group) >= ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group))


def _encoding(schema: pa.Schema, vectors: Sequence[str]) -> dict[str, Any]:
    """How columns are written: dictionaries and statistics for scalars only."""
    scalars = [name for name in scalar_names(schema) if not _is_blob(schema.field(name).type)]
    return {
        "compression": {f"{name}.list.element": "NONE" for name in vectors} or "snappy",
        "use_dictionary": scalars,
        "write_statistics": scalars,
    }


def _is_blob(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def parquet_file(path: Path) -> pq.ParquetFile:
    """A file read through a small buffer: without it, whole column chunks come into memory."""
    return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
