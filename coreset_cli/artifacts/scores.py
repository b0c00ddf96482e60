"""One number a row from a column of a table: Parquet, CSV, JSON lines, or a flat `.npy`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import (
    ID_COLUMNS,
    NO_COLUMNS,
    Columns,
    columns_in_memory,
    columns_on_disk,
    find_ids,
)
from coreset_cli.artifacts.ids import Ids
from coreset_cli.errors import (
    FileMissing,
    IdMismatch,
    InputError,
    InvalidParameter,
    NotFinite,
    SchemaMismatch,
    did_you_mean,
)
from coreset_cli.io.npy import read_flat_npy
from coreset_cli.io.parquet import is_vector, read_schema, readable, whole_column
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["read_scores"]

TEXT_TABLES = (".csv", ".jsonl", ".ndjson")
READ = ".parquet, .csv, .jsonl, or a flat .npy"


def read_scores(
    path: Path, column: str, ids: Ids, *, source: str, id_column: str | None = None
) -> NDArray[np.float64]:
    """[n] a score for each row: by id where the table has ids, else by position.

    Args:
        path: of the table.
        column: of numbers; a flat `.npy` has none.
        ids: whose scores.
        source: the file of those rows, for messages.
        id_column: the column of ids in the table, where it has one of this name.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: empty, truncated or damaged.
        InvalidParameter: no such column.
        SchemaMismatch: of a kind that is not read, or no numbers.
        IdMismatch: an id without a score, or without ids another number of rows.
        NotFinite: a row whose score is missing, NaN or Inf.
    """
    if not path.is_file():
        raise FileMissing(f"no such file: {path}")
    kind = kind_of_bytes(first_bytes(path))
    if kind == "npy":
        return _by_position(pa.array(read_flat_npy(path)), NO_COLUMNS, ids, str(path), source)
    table = _columns(path, kind, ids, id_column)
    if column not in table.names:
        raise _no_such_column(path, kind, column, table.names)
    name = f"{path}: column '{column}'"
    named = id_column if id_column in table.names else None
    values = table.read(column)
    if named is None and not set(ID_COLUMNS) & set(table.names):
        return _by_position(values, table, ids, name, source)
    found = find_ids(table, len(values), named, str(path))
    rows = found.rows_of(ids, source, str(path))
    return _finite(_numbers(values, name)[rows], rows, name)


def _columns(path: Path, kind: str | None, ids: Ids, id_column: str | None) -> Columns:
    if kind == "parquet":
        return columns_on_disk([path])
    if kind is not None or path.suffix.lower() not in TEXT_TABLES:
        raise SchemaMismatch(f"{path} is no table that is read; scores come as {READ}")
    with readable(path):
        if path.suffix.lower() == ".csv":
            from pyarrow import csv

            # Texts that look like numbers stay texts where the rows to be found have texts.
            texts = [] if pa.types.is_integer(ids.values.type) else [*ID_COLUMNS, id_column]
            options = csv.ConvertOptions(
                column_types={name: pa.string() for name in texts if name is not None}
            )
            return columns_in_memory(csv.read_csv(path, convert_options=options))
        from pyarrow import json

        return columns_in_memory(json.read_json(path))


def _by_position(
    column: pa.ChunkedArray | pa.Array, table: Columns, ids: Ids, name: str, source: str
) -> NDArray[np.float64]:
    if len(column) != len(ids):
        remedy = "give one score a row" + (", or a column of ids" if table.names else "")
        raise IdMismatch(f"{name} has {len(column)} rows, {source} has {len(ids)}; {remedy}")
    return _finite(_numbers(column, name), np.arange(len(ids)), name)


def _numbers(column: pa.ChunkedArray | pa.Array, name: str) -> NDArray[np.float64]:
    values = whole_column(column, name)
    kind = values.type
    if not any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal,
            pa.types.is_null,
        )
    ):  # fmt: skip
        raise SchemaMismatch(f"{name} holds {kind}; a score is a number")
    numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers.astype(np.float64)


def _finite(scores: NDArray[np.float64], rows: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise NotFinite(
            f"{name}: row {rows[wrong[0]]} has the score {scores[wrong[0]]} ({len(wrong)} of "
            f"{len(scores)} rows have none that is finite); score them, or drop the rows"
        )
    return scores


def _no_such_column(
    path: Path, kind: str | None, column: str, names: tuple[str, ...]
) -> InputError:
    if kind == "parquet":
        schema = read_schema(path)
        if column in schema.names and is_vector(schema.field(column).type):
            return SchemaMismatch(
                f"{path}: column '{column}' holds vectors; a score is one number a row"
            )
    listed = f"; it has {', '.join(names)}" if names else "; it has no scalar columns"
    hint = did_you_mean(column, names) or listed
    return InvalidParameter(f"{path} has no column '{column}' of scores{hint} (--set column=NAME)")
