"""Scalar columns beside the vectors: ids, labels and whatever travels with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import Labels, make_labels, read_label_file
from coreset_cli.errors import IdMismatch, InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.parquet import read_column, read_schema, scalar_names

__all__ = [
    "NO_COLUMNS",
    "Columns",
    "chained",
    "columns_in_memory",
    "columns_on_disk",
    "find_ids",
    "find_labels",
    "label_files",
]

ID_COLUMNS = ("id", "uid", "key", "__key__")
"""Columns taken for ids where `--id` names none, in this order."""

LABEL_COLUMN = "label"
"""Column taken for labels where `--label` names none."""


@dataclass(frozen=True)
class Columns:
    """Scalar columns beside the vectors, read when asked for.

    Args:
        names: what there is.
        read: a column by name, one value a row.
    """

    names: tuple[str, ...]
    read: Callable[[str], pa.ChunkedArray]


NO_COLUMNS = Columns((), lambda name: pa.chunked_array([], pa.null()))


def columns_on_disk(paths: Sequence[Path]) -> Columns:
    """Scalar columns of Parquet files, read when asked for.

    Raises:
        SchemaMismatch: ids or labels in some of the files only.
    """

    def one(path: Path) -> Columns:
        names = scalar_names(read_schema(path))
        return Columns(tuple(names), lambda name: read_column([path], name))

    return chained([(str(path), one(path)) for path in paths])


def columns_in_memory(table: pa.Table) -> Columns:
    """The columns of a table."""
    return Columns(tuple(table.column_names), table.column)


def chained(parts: Sequence[tuple[str, Columns]]) -> Columns:
    """Columns that every part has.

    Args:
        parts: name, for messages, and columns of each.

    Raises:
        SchemaMismatch: ids or labels in some parts only: the rest would lose them in silence.
    """
    if len(parts) == 1:
        return parts[0][1]
    for wanted in (*ID_COLUMNS, LABEL_COLUMN):
        having = [name for name, columns in parts if wanted in columns.names]
        lacking = [name for name, columns in parts if wanted not in columns.names]
        if having and lacking:
            raise SchemaMismatch(
                f"{lacking[0]} has no column '{wanted}', {having[0]} has; "
                "write it for every file, or for none"
            )
    first = parts[0][1].names
    names = tuple(n for n in first if all(n in columns.names for _, columns in parts))

    def read(name: str) -> pa.ChunkedArray:
        chunks: list[pa.Array] = []
        for file, columns in parts:
            more = columns.read(name).chunks
            if chunks and more and more[0].type != chunks[0].type:
                raise SchemaMismatch(
                    f"{file}: column '{name}' holds {more[0].type}, {parts[0][0]} has "
                    f"{chunks[0].type} there; write both alike"
                )
            chunks += more
        return pa.chunked_array(chunks)

    return Columns(names, read)


def find_ids(columns: Columns, n: int, named: str | None, path: str) -> Ids:
    """Ids from the column named, else from the first of `ID_COLUMNS`, else row numbers.

    Args:
        columns: what there is.
        n: number of rows.
        named: a column, by name.
        path: the input, for messages.

    Raises:
        InvalidParameter: no column of that name.
        ArtifactError: the column does not hold distinct ids.
    """
    if named is not None and named not in columns.names:
        raise InvalidParameter(f"{path} has no column '{named}' for ids; {_has(columns)}")
    found = named or next((name for name in ID_COLUMNS if name in columns.names), None)
    if found is None:
        return row_numbers(n)
    return make_ids(columns.read(found), f"{path}: column '{found}'")


def find_labels(columns: Columns, n: int, named: str | None, path: str) -> Labels | None:
    """Labels from the column or file named, else from the column `label`, else none.

    Args:
        columns: what there is.
        n: number of rows.
        named: a column, or a file with one label a row, or a column of a file as in
            `labels.parquet:noisy`; a column wins, then a file.
        path: the input, for messages.

    Raises:
        InvalidParameter: no column and no file of that name.
        IdMismatch: a file with more or fewer labels than rows.
        SchemaMismatch: what is there are no labels.
    """
    if named is None:
        if LABEL_COLUMN not in columns.names:
            return None
        named = LABEL_COLUMN
    if named in columns.names:
        return make_labels(columns.read(named), f"{path}: column '{named}'")
    file, column = _label_place(named)
    if not file.exists():
        raise InvalidParameter(
            f"--label {named} is no column of {path} and no file; {_has(columns)}"
        )
    labels = make_labels(read_label_file(file, column), named)
    if len(labels) != n:
        raise IdMismatch(
            f"{file} has {len(labels)} labels, {path} has {n} rows; give one label a row"
        )
    return labels


def label_files(*named: str | None) -> tuple[str, ...]:
    """The files that labels named by a user may lie in, for outputs not to replace them."""
    places = [_label_place(name)[0] for name in named if name is not None]
    return tuple(str(place) for place in places if place.is_file())


def _label_place(named: str) -> tuple[Path, str | None]:
    """The file that a name stands for, and the column of it, where it is no column."""
    file = Path(named)
    with read_errors(file):
        before, _, behind = named.rpartition(":")
        if not file.exists() and Path(before).is_file():
            return Path(before), behind
    return file, None


def _has(columns: Columns) -> str:
    names = ", ".join(columns.names)
    return f"it has {names}" if names else "it has no scalar columns"
