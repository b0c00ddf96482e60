"""Vectors in list columns of Arrow: Parquet files and IPC streams."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, spool
from coreset_cli.io.parquet import is_vector, parquet_file, readable, scalar_names

__all__ = ["has_vectors", "open_arrow", "open_parquet", "vector_column", "vectors_of"]


def has_vectors(schema: pa.Schema) -> bool:
    """Whether a column holds lists of numbers."""
    return any(is_vector(field.type) for field in schema)


def vector_column(schema: pa.Schema, column: str | None, name: str) -> str:
    """The column of vectors: the one named, else `embedding`, else the only list of numbers.

    Raises:
        InvalidParameter: no column of that name, or several lists and none named.
        SchemaMismatch: the column does not hold lists of numbers.
    """
    lists = [field.name for field in schema if is_vector(field.type)]
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
        f"{name} has no column of vectors (lists of numbers); it has {', '.join(schema.names)} "
        "(vectors of images come from `coreset embed`)"
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
