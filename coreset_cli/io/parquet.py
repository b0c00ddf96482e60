"""Vectors and scalar columns in Arrow's formats: Parquet files, IPC files and streams."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.atomic import whole_file
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, spool

__all__ = [
    "has_vectors",
    "open_arrow",
    "open_parquet",
    "parquet_file",
    "read_column",
    "read_rows",
    "read_schema",
    "read_table",
    "readable",
    "scalar_names",
    "vector_column",
    "vectors_of",
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


def scalar_names(schema: pa.Schema) -> list[str]:
    """Columns that hold one value a row."""
    return [
        field.name
        for field in schema
        if not pa.types.is_nested(field.type) and not _is_vector(field.type)
    ]


def read_rows(path: Path) -> int:
    """Number of rows of a Parquet file.

    Raises:
        ArtifactIncomplete: empty, truncated or damaged.
    """
    with readable(path):
        return pq.read_metadata(path).num_rows


def has_vectors(schema: pa.Schema) -> bool:
    """Whether a column holds lists of numbers."""
    return any(_is_vector(field.type) for field in schema)


def vector_column(schema: pa.Schema, column: str | None, name: str) -> str:
    """The column of vectors: the one named, else `embedding`, else the only list of numbers.

    Raises:
        InvalidParameter: no column of that name, or several lists and none named.
        SchemaMismatch: the column does not hold lists of numbers.
    """
    lists = [field.name for field in schema if _is_vector(field.type)]
    if column is not None:
        if column not in schema.names:
            raise InvalidParameter(
                f"{name} has no column '{column}'; it has {', '.join(schema.names)}"
            )
        if column not in lists:
            raise SchemaMismatch(
                f"{name}: column '{column}' holds {schema.field(column).type}, not lists of numbers"
            )
        return column
    if "embedding" in lists:
        return "embedding"
    if len(lists) == 1:
        return lists[0]
    if lists:
        raise InvalidParameter(
            f"{name} has several columns of vectors ({', '.join(lists)}); name one with --column"
        )
    raise SchemaMismatch(
        f"{name} has no column of vectors (lists of numbers); it has {', '.join(schema.names)}"
    )


def open_parquet(paths: Sequence[Path], column: str | None) -> list[Matrix]:
    """Copy the vectors of each file to a temporary file and map that.

    Raises:
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: no vectors, nulls among them, or ragged rows.
    """
    matrices = []
    for path in paths:
        with readable(path):
            file = parquet_file(path)
        name = vector_column(file.schema_arrow, column, str(path))
        matrices.append(spool(str(path), _parquet_blocks(file, name, path)))
    return matrices


def open_arrow(
    source: pa.NativeFile | Path, name: str, column: str | None
) -> tuple[Matrix, pa.Table]:
    """Vectors, and the scalar columns in memory, of an Arrow IPC stream.

    Raises:
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: no vectors, nulls among them, or ragged rows.
    """
    with readable(name), pa.ipc.open_stream(source) as reader:
        vectors = vector_column(reader.schema, column, name)
        scalars = scalar_names(reader.schema)
        kept: list[pa.RecordBatch] = []

        def blocks() -> Iterator[NDArray[np.generic]]:
            first = 0
            for batch in reader:
                batch.validate(full=True)  # a stream is believed as it comes otherwise
                kept.append(batch.select(scalars))
                if batch.num_rows:
                    yield vectors_of(batch.column(vectors), first, name)
                first += batch.num_rows

        matrix = spool(name, blocks())
    schema = pa.schema([reader.schema.field(scalar) for scalar in scalars])
    return matrix, pa.Table.from_batches(kept, schema=schema)


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


def _is_vector(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):  # a tensor of fixed shape
        kind = kind.storage_type
    if not (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        return False
    return pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)


def _parquet_blocks(file: pq.ParquetFile, column: str, path: Path) -> Iterator[NDArray[np.generic]]:
    first = 0
    with readable(path):
        for batch in file.iter_batches(_batch_rows(file, column), columns=[column]):
            if batch.num_rows:
                yield vectors_of(batch.column(column), first, str(path))
            first += batch.num_rows


def _batch_rows(file: pq.ParquetFile, column: str) -> int:
    """Rows of a block, 8 bytes a value at most, from the width of the first vector.

    The footer would say too, but Arrow ends the process where statistics in it are damaged.
    """
    for batch in file.iter_batches(1, columns=[column]):
        width = pc.list_value_length(_plain(batch.column(column)))[0].as_py()
        return max(1, BLOCK_BYTES // (8 * max(1, width or 0)))
    return 1


def _plain(array: pa.Array) -> pa.Array:
    """The lists behind a tensor of fixed shape."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def vectors_of(array: pa.Array, first: int, name: str) -> NDArray[np.generic]:
    """[b, d] values of a list array; `.flatten()` minds the slice, `.values` would not.

    Args:
        array: lists of numbers.
        first: row number of its first row in the file, for messages.
        name: the file.

    Raises:
        SchemaMismatch: a null row, a null value, or rows of several lengths.
    """
    array = _plain(array)
    if array.null_count:
        row = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise SchemaMismatch(f"{name}: row {first + row} has no vector (null); drop the row")
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
    else:
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
        width = int(lengths[0])
        if (lengths != width).any():
            row = int(np.flatnonzero(lengths != width)[0])
            raise SchemaMismatch(
                f"{name}: row {first + row} has {lengths[row]} values, row {first} has {width}; "
                "all vectors must have one width"
            )
    if width == 0:
        raise SchemaMismatch(f"{name}: row {first} has an empty vector")
    values = array.flatten()
    if values.null_count:
        place = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise SchemaMismatch(
            f"{name}: row {first + place // width} has a null at position {place % width}; "
            "fill or drop it"
        )
    return values.to_numpy(zero_copy_only=False).reshape(len(array), width)
