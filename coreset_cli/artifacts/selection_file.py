"""Selections on disk: Parquet, or an export with the manifest beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.exports import datacomp_words, mask_of, read_row_numbers
from coreset_cli.artifacts.ids import Ids, make_ids
from coreset_cli.artifacts.manifest import (
    MANIFEST_KEY,
    Manifest,
    manifest_of,
    read_manifest,
    read_record,
)
from coreset_cli.artifacts.selection import (
    CORE,
    SUPPORT,
    Selection,
    digest_fault,
    sidecar_of,
)
from coreset_cli.errors import InvalidParameter, SchemaMismatch, StaleParent
from coreset_cli.io.access import read_errors
from coreset_cli.io.atomic import whole_file, write_text
from coreset_cli.io.npy import npy_bytes
from coreset_cli.io.parquet import (
    read_schema,
    read_table,
    whole_column,
    write_parquet,
)
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["FORMATS", "format_of", "read_selection", "read_unchecked", "write_selection"]

FORMATS = ("txt", "npy", "json", "parquet", "mask", "datacomp")
"""What a selection can be written as; by suffix, or by `--format`."""


def format_of(path: Path, named: str | None) -> str:
    """The format to write: the one named, else by suffix.

    Raises:
        InvalidParameter: an unknown format, or a suffix that says none.
    """
    if named is not None:
        if named not in FORMATS:
            raise InvalidParameter(f"unknown format '{named}'; there are {', '.join(FORMATS)}")
        return named
    found = path.suffix.lower().removeprefix(".")
    if found not in FORMATS:
        raise InvalidParameter(
            f"the suffix of {path} says no format; use .txt, .npy, .json or .parquet, or --format"
        )
    return found


def write_selection(path: Path, selection: Selection, form: str) -> None:
    """Write a selection whole, its manifest in the Parquet footer or in the sidecar.

    Args:
        path: where to.
        selection: in the order to be written, with its manifest.
        form: one of `FORMATS`.

    Raises:
        SchemaMismatch: DataComp's format needs ids of 32 hexadecimal digits.
        DiskFull: no space left.
    """
    manifest = selection.manifest
    assert manifest is not None
    if form == "parquet":
        table = _table(selection)
        metadata = {MANIFEST_KEY: manifest.to_json().encode()}
        write_parquet(path, table.replace_schema_metadata(metadata))
        return
    if form == "json":
        write_text(path, manifest.to_json(rows=selection.rows.tolist()) + "\n")
        return
    if form == "txt":
        content = "".join(f"{row}\n" for row in selection.rows.tolist()).encode()
    else:
        content = npy_bytes(_EXPORTS[form](selection, manifest))
    # The sidecar takes its name first: a list that is there has the manifest that belongs to it.
    with whole_file(path) as part:
        part.write_bytes(content)
        write_text(sidecar_of(path), manifest.to_json() + "\n")


_EXPORTS: dict[str, Callable[[Selection, Manifest], NDArray[np.generic]]] = {
    "npy": lambda selection, manifest: selection.rows,
    "mask": lambda selection, manifest: mask_of(selection.rows, manifest.inputs[0].rows),
    "datacomp": lambda selection, manifest: datacomp_words(selection.ids),
}


def read_selection(path: Path) -> Selection:
    """Read a selection in any format but DataComp's.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: not a selection.
        StaleParent: its manifest describes another selection.
    """
    selection = read_unchecked(path)
    fault = digest_fault(selection)
    if fault is not None:
        raise StaleParent(f"{path}: {fault}; select again, or drop the manifest to use it as it is")
    return selection


def read_unchecked(path: Path) -> Selection:
    """Read a selection, and leave it to the caller to hold it against its manifest.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: not a selection.
    """
    start = first_bytes(path)
    kind = kind_of_bytes(start)
    suffix = path.suffix.lower()
    if kind == "parquet" or suffix == ".parquet":
        if kind != "parquet":
            raise SchemaMismatch(f"{path} is not the Parquet file its suffix says")
        return _read_parquet(path)
    if start.lstrip().startswith(b"{") or suffix == ".json":
        with read_errors(path):
            record = read_record(path.read_bytes(), str(path))
        if "rows" not in record or "inputs" not in record:
            raise SchemaMismatch(f"{path} is no selection: it has no rows")
        made = _with_parents(manifest_of(record, str(path)), path)
        return _bare(_json_rows(record["rows"], path), made, path)
    sidecar, manifest = sidecar_of(path), None
    if sidecar.is_file():
        manifest = _with_parents(read_manifest(sidecar.read_bytes(), str(sidecar)), sidecar)
    return _bare(read_row_numbers(path), manifest, path)


def _table(selection: Selection) -> pa.Table:
    k = len(selection.rows)
    nothing = pa.nulls(k, pa.float32())

    def singles(values: NDArray[np.float64] | None) -> pa.Array:
        return nothing if values is None else pa.array(values.astype(np.float32))

    roles = np.full(k, CORE) if selection.roles is None else selection.roles
    labels = pa.nulls(k, pa.string()) if selection.labels is None else pa.array(selection.labels)
    return pa.table(
        {
            "index": pa.array(selection.rows),
            "id": selection.ids.values,
            "rank": pa.array(selection.ranks.astype(np.int32)),
            "role": pa.array(roles),
            "weight": singles(selection.weights),
            "score": singles(selection.scores),
            "label": labels,
        }
    )


def _read_parquet(path: Path) -> Selection:
    schema = read_schema(path)
    missing = {"index", "id", "rank"} - set(schema.names)
    if missing:
        raise SchemaMismatch(
            f"{path} is no selection: it has no {', '.join(sorted(missing))} column"
        )
    table = read_table(path)
    if len(table) == 0:
        raise SchemaMismatch(f"{path} lists no rows; select again")
    order = np.argsort(_integers(table["rank"], f"{path}: column 'rank'"), kind="stable")
    table = table.take(order)
    rows = _integers(table["index"], f"{path}: column 'index'")
    record = (schema.metadata or {}).get(MANIFEST_KEY)
    manifest = _with_parents(read_manifest(record, str(path)), path) if record else None
    ids = make_ids(table["id"], f"{path}: column 'id'")
    if manifest is not None and manifest.inputs[0].row_number_ids:
        ids = Ids(ids.values, is_row_number=True)
    return Selection(
        rows=rows,
        ids=ids,
        ranks=np.arange(len(rows)),
        labels=_texts(table, "label", path),
        weights=_weights(table, path),
        scores=_numbers(table, "score", path),
        roles=_roles(table, path),
        manifest=manifest,
    )


def _integers(column: pa.ChunkedArray, name: str) -> NDArray[np.int64]:
    if column.null_count or not pa.types.is_integer(column.type):
        raise SchemaMismatch(f"{name} holds {column.type} or nulls, integers were expected")
    return column.to_numpy().astype(np.int64)


def _numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64] | None:
    if name not in table.column_names or table[name].null_count == len(table):
        return None
    kind = table[name].type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise SchemaMismatch(f"{path}: column '{name}' holds {kind}, not numbers")
    return table[name].to_numpy().astype(np.float64)


def _weights(table: pa.Table, path: Path) -> NDArray[np.float64] | None:
    """Training weights: finite, none negative, and not all zero."""
    found = _numbers(table, "weight", path)
    if found is None:
        return None
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if len(wrong):
        raise SchemaMismatch(
            f"{path}: column 'weight': row {wrong[0]} has {found[wrong[0]]}; weights are finite "
            "and at least 0: select again, or drop the column"
        )
    if not found.any():
        raise SchemaMismatch(f"{path}: column 'weight' is 0 in all rows; drop the column")
    return found


def _roles(table: pa.Table, path: Path) -> NDArray[np.str_] | None:
    """Roles, each of which is known: training tells them apart."""
    found = _texts(table, "role", path)
    if found is None:
        return None
    wrong = np.flatnonzero(~np.isin(found, (CORE, SUPPORT)))
    if len(wrong):
        raise SchemaMismatch(
            f"{path}: column 'role': row {wrong[0]} is '{found[wrong[0]]}'; rows are {CORE} or "
            f"{SUPPORT}: select again, or drop the column"
        )
    return found


def _texts(table: pa.Table, name: str, path: Path) -> NDArray[np.str_] | None:
    """The column as text; nothing where a row has none."""
    if name not in table.column_names or table[name].null_count:
        return None
    values = whole_column(table[name], f"{path}: column '{name}'")
    return np.asarray(list(map(str, values.to_pylist())))


def _with_parents(manifest: Manifest, path: Path) -> Manifest:
    """Refuse a manifest that does not say which data its rows are of."""
    if not manifest.inputs:
        raise SchemaMismatch(f"{path}: its manifest has no inputs; select again")
    return manifest


def _json_rows(values: object, path: Path) -> NDArray[np.int64]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise SchemaMismatch(f"{path}: 'rows' is no list of row numbers")
    try:
        return np.array(values, np.int64)
    except OverflowError as error:
        raise SchemaMismatch(f"{path} holds numbers beyond 2⁶³; they are no row numbers") from error


def _bare(rows: NDArray[np.int64], manifest: Manifest | None, path: Path) -> Selection:
    """A list of row numbers: they name samples only through the digest in the manifest."""
    if len(rows) == 0:
        raise SchemaMismatch(f"{path} lists no rows")
    ids = make_ids(pa.array(rows), str(path))
    return Selection(
        rows=rows,
        ids=Ids(ids.values, is_row_number=True),
        ranks=np.arange(len(rows)),
        manifest=manifest,
        ranked=bool((np.diff(rows) < 0).any()),
    )
