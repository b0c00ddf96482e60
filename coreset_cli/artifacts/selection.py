"""An index list on disk: Parquet, or one of its exports with the manifest beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coreset_cli.artifacts.ids import Ids, make_ids
from coreset_cli.artifacts.manifest import MANIFEST_KEY, Manifest
from coreset_cli.errors import (
    ArtifactIncomplete,
    FileMissing,
    IdMismatch,
    InvalidParameter,
    SchemaMismatch,
    StaleParent,
)
from coreset_cli.io.atomic import whole_file, write_text
from coreset_cli.io.npy import read_flat_npy, write_npy
from coreset_cli.io.parquet import read_schema, write_parquet

__all__ = ["FORMATS", "Selection", "format_of", "read_selection", "rows_in", "write_selection"]

FORMATS = ("txt", "npy", "json", "parquet", "mask", "datacomp")
"""What a selection can be written as; by suffix, or by `--format`."""

SIDECAR = ".coreset.json"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Picked rows, in rank order unless sorted by number.

    Args:
        rows: [k] row numbers in the input.
        ids: [k] ids of those rows.
        ranks: [k] rank of each row, 0 the best.
        labels: [k] labels as text, where the input has labels.
        weights: [k] training weights, where the method gives any.
        scores: [k] what the method ranked by, where it ranked.
        roles: [k] `core` or `support`.
        manifest: how it came about; nothing for a bare list of row numbers.
    """

    rows: NDArray[np.int64]
    ids: Ids
    ranks: NDArray[np.int64]
    labels: NDArray[np.str_] | None = None
    weights: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    roles: NDArray[np.str_] | None = None
    manifest: Manifest | None = None

    def by_index(self) -> "Selection":
        """The same rows in ascending order of their numbers."""
        order = np.argsort(self.rows, kind="stable")

        def sorted_(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[order]

        return Selection(
            rows=self.rows[order],
            ids=self.ids.take(order),
            ranks=self.ranks[order],
            labels=sorted_(self.labels),
            weights=sorted_(self.weights),
            scores=sorted_(self.scores),
            roles=sorted_(self.roles),
            manifest=self.manifest,
        )


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
    write_text(path.with_name(path.name + SIDECAR), manifest.to_json() + "\n")
    if form == "txt":
        write_text(path, "".join(f"{row}\n" for row in selection.rows.tolist()))
        return
    if form == "npy":
        values: NDArray[np.generic] = selection.rows
    elif form == "mask":
        values = np.zeros(manifest.inputs[0].rows, np.bool_)
        values[selection.rows] = True
    else:
        values = _datacomp(selection.ids)
    with whole_file(path) as part, part.open("wb") as file:
        write_npy(file, values)


def read_selection(path: Path) -> Selection:
    """Read a selection in any format but DataComp's.

    Raises:
        FileMissing: no such file.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: not a selection.
    """
    if not path.is_file():
        raise FileMissing(f"no such file: {path}")
    if path.stat().st_size == 0:
        raise ArtifactIncomplete(f"{path} is empty")
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == ".json":
        record = _read_json(path)
        if "rows" not in record or "inputs" not in record:
            raise SchemaMismatch(f"{path} is no selection: it has no rows")
        return _bare(np.asarray(record["rows"], np.int64), Manifest.from_dict(record), path)
    sidecar = path.with_name(path.name + SIDECAR)
    manifest = Manifest.from_dict(_read_json(sidecar)) if sidecar.is_file() else None
    if path.suffix == ".npy":
        values = read_flat_npy(path)
        if values.dtype == np.bool_:
            values = np.flatnonzero(values)
        if values.dtype.kind not in "iu":
            raise SchemaMismatch(f"{path} holds {values.dtype}, not row numbers")
        return _bare(values.astype(np.int64), manifest, path)
    try:
        rows = np.array([int(line) for line in path.read_text().split()], np.int64)
    except (ValueError, UnicodeDecodeError) as error:
        raise SchemaMismatch(f"{path} is no list of row numbers, one a line") from error
    return _bare(rows, manifest, path)


def rows_in(
    selection: Selection, source: str, ids: Ids, target: str, ids_digest: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Rows of the selected ids in another file of the same samples: a join on ids.

    Args:
        selection: what was picked.
        source: its file, for messages.
        ids: ids of the other file.
        target: the other file, for messages.
        ids_digest: digest of those ids.

    Returns:
        The [k] rows, and what the user should know.

    Raises:
        IdMismatch: an id is not there.
        StaleParent: the selection is of row numbers, and of a file of other rows.
    """
    parent = selection.manifest.inputs[0] if selection.manifest else None
    if not selection.ids.is_row_number:
        return ids.rows_of(selection.ids, source, target), ()
    if parent is not None and parent.ids_digest != ids_digest:
        raise StaleParent(
            f"{source} was picked by row number from {parent.path} ({parent.rows} rows); "
            f"{target} has {len(ids)} rows or other ids: its rows are not the same samples"
        )
    beyond = selection.rows[(selection.rows < 0) | (selection.rows >= len(ids))]
    if len(beyond):
        raise IdMismatch(f"{source} lists row {beyond[0]}, {target} has {len(ids)} rows")
    bare = f"{source} has no manifest: its numbers are taken as row numbers of {target}"
    return selection.rows, () if parent is not None else (bare,)


def _table(selection: Selection) -> pa.Table:
    k = len(selection.rows)
    nothing = pa.nulls(k, pa.float32())

    def singles(values: NDArray[np.float64] | None) -> pa.Array:
        return nothing if values is None else pa.array(values.astype(np.float32))

    roles = np.full(k, "core") if selection.roles is None else selection.roles
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
    try:
        table = pq.read_table(path).sort_by("rank")
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactIncomplete(f"{path} is truncated or damaged ({error})") from error
    record = (schema.metadata or {}).get(MANIFEST_KEY)
    manifest = Manifest.from_dict(json.loads(record)) if record else None
    rows = table["index"].to_numpy()
    ids = make_ids(table["id"], f"{path}: column 'id'")
    if manifest is not None and manifest.inputs[0].row_number_ids:
        ids = Ids(ids.values, is_row_number=True)

    def column(name: str) -> NDArray[np.float64] | None:
        if name not in table.column_names or table[name].null_count == len(table):
            return None
        return table[name].to_numpy().astype(np.float64)

    labels = table["label"] if "label" in table.column_names else None
    known = labels is not None and labels.null_count == 0
    return Selection(
        rows=rows,
        ids=ids,
        ranks=np.arange(len(rows)),
        labels=np.asarray(pc.cast(labels, pa.string()).to_pylist()) if known else None,
        weights=column("weight"),
        scores=column("score"),
        roles=np.asarray(table["role"].to_pylist()) if "role" in table.column_names else None,
        manifest=manifest,
    )


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
    )


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ArtifactIncomplete(f"{path} is no JSON ({error})") from error
    if not isinstance(record, dict):
        raise SchemaMismatch(f"{path} is no manifest")
    return record


def _datacomp(ids: Ids) -> NDArray[np.generic]:
    """DataComp's subset file: each 128-bit uid as two 64-bit words, sorted."""
    try:
        pairs = [(int(text[:16], 16), int(text[16:32], 16)) for text in ids.texts()]
        proper = all(len(text) == 32 for text in ids.texts())
    except ValueError:
        proper = False
    if not proper:
        raise SchemaMismatch("the datacomp format needs uids of 32 hexadecimal digits; see --id")
    return np.sort(np.array(pairs, dtype=np.dtype("u8,u8")))
