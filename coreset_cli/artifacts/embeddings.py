"""Vectors with their ids, labels and scalar columns, in any of the formats that are read."""

import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coreset_cli.artifacts.digits import load_digits
from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import Labels, make_labels, read_label_file
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.errors import FileMissing, IdMismatch, InvalidParameter, NotFinite, SchemaMismatch
from coreset_cli.io.atomic import disk_errors
from coreset_cli.io.matrix import Matrix, Shard, join
from coreset_cli.io.npy import open_npy, open_npz
from coreset_cli.io.parquet import (
    open_arrow,
    open_parquet,
    read_column,
    read_schema,
    scalar_names,
)
from coreset_cli.io.safetensors import open_safetensors
from coreset_cli.io.sniff import file_kind, kind_of_bytes

__all__ = [
    "Columns",
    "Embeddings",
    "Scan",
    "columns_on_disk",
    "find_ids",
    "open_embeddings",
    "order_warning",
    "require_finite",
    "scan",
]

ID_COLUMNS = ("id", "uid", "key", "__key__")
"""Columns taken for ids where `--id` names none, in this order."""

LABEL_COLUMN = "label"
"""Column taken for labels where `--label` names none."""

META_SUFFIX = ".meta.parquet"


@dataclass(frozen=True)
class Columns:
    """Scalar columns beside the vectors, read when asked for.

    Args:
        names: what there is.
        read: a column by name, one value a row.
    """

    names: tuple[str, ...]
    read: Callable[[str], pa.ChunkedArray]


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

    def require_labels(self) -> Labels:
        """The labels.

        Raises:
            InvalidParameter: the input has none.
        """
        if self.labels is None:
            raise InvalidParameter(
                f"{self.path} has no labels (columns: {', '.join(self.columns.names) or 'none'}); "
                "name a column or a file with --label"
            )
        return self.labels

    def column_labels(self, name: str) -> Labels:
        """Labels from another column.

        Raises:
            SchemaMismatch: not labels.
        """
        return make_labels(self.columns.read(name), f"{self.path}: column '{name}'")


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
    opened = [_open_one(path, column) for path in paths]
    first = opened[0]
    if len(opened) == 1:
        whole = first
    else:
        whole = _Opened(
            [f for o in opened for f in o.files],
            join([o.matrix for o in opened]),
            _chained([o.columns for o in opened]),
            [w for o in opened for w in o.warnings],
        )
    name = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    return Embeddings(
        path=name,
        files=tuple(whole.files),
        matrix=whole.matrix,
        columns=whole.columns,
        ids=find_ids(whole.columns, whole.matrix.n, ids, name),
        labels=_find_labels(whole, label, name),
        warnings=tuple(whole.warnings),
    )


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


@dataclass
class _Opened:
    """One path of the input, before ids and labels are chosen."""

    files: list[str]
    matrix: Matrix
    columns: Columns
    warnings: list[str]


_NO_COLUMNS = Columns((), lambda name: pa.chunked_array([], pa.null()))


def _open_one(path: str, column: str | None) -> _Opened:
    if path == "-":
        return _open_stdin(sys.stdin.buffer, column)
    if path.startswith("digits:"):
        vectors, table = load_digits(path)
        return _Opened([path], Matrix([Shard(path, vectors)]), _in_memory(table), [])
    file = Path(path)
    if file.is_dir():
        return _open_folder(file, column)
    return _open_file(file, column)


def _open_file(path: Path, column: str | None) -> _Opened:
    kind = file_kind(path)
    if kind == "parquet":
        matrices = open_parquet([path], column)
        return _Opened([str(path)], join(matrices), columns_on_disk([path]), [])
    if kind == "npy":
        if column is not None:
            raise InvalidParameter(f"{path} has no columns; --column is for Parquet and .npz")
        matrix = open_npy(path)
        meta = path.with_name(path.name + META_SUFFIX)
    elif kind == "npz":
        matrix = open_npz(path, column)
        meta = path.with_suffix(".parquet")
    elif kind == "safetensors":
        matrix = open_safetensors(path, column)
        meta = path.with_name(path.name + META_SUFFIX)
    elif kind == "arrow":
        matrix, table = open_arrow(pa.OSFile(str(path)), str(path), column)
        return _Opened([str(path)], matrix, _in_memory(table), [])
    else:
        raise SchemaMismatch(f"{path} is an Arrow file; write a stream (.arrows) or Parquet")
    return _Opened([str(path)], matrix, _metadata(meta, matrix.n, path), [])


def _open_folder(folder: Path, column: str | None) -> _Opened:
    """Shards of a folder in lexicographic order, as `img_emb/` and `metadata/` or side by side."""
    home = folder / "img_emb" if (folder / "img_emb").is_dir() else folder
    shards = sorted(home.glob("*.npy"))
    if shards:
        matrices = [open_npy(shard) for shard in shards]
        meta_folder = home.parent / "metadata"
        metas = sorted(meta_folder.glob("*.parquet")) if meta_folder.is_dir() else []
        if metas and len(metas) != len(shards):
            raise IdMismatch(
                f"{meta_folder} has {len(metas)} Parquet files for the {len(shards)} shards "
                f"of {home}"
            )
        metas = metas or [shard.with_name(shard.name + META_SUFFIX) for shard in shards]
        columns = _chained(
            [_metadata(m, x.n, s) for m, x, s in zip(metas, matrices, shards, strict=True)]
        )
    else:
        shards = sorted(home.glob("*.parquet")) or sorted(home.rglob("*.parquet"))
        if not shards:
            raise FileMissing(f"{folder} has no .npy and no .parquet files")
        matrices = open_parquet(shards, column)
        columns = columns_on_disk(shards)
    return _Opened([str(s) for s in shards], join(matrices), columns, order_warning(shards))


def _open_stdin(stream: BinaryIO, column: str | None) -> _Opened:
    start = stream.peek(16)[:16] if hasattr(stream, "peek") else b""
    kind = kind_of_bytes(start)
    if not start:
        raise SchemaMismatch("stdin is empty; pipe an .npy, a Parquet file or an Arrow stream in")
    if kind == "arrow":
        matrix, table = open_arrow(pa.PythonFile(stream), "stdin", column)
        return _Opened(["-"], matrix, _in_memory(table), [])
    if kind not in {"npy", "npz", "parquet", "safetensors"}:
        raise SchemaMismatch(
            "stdin is of no kind that is read; pipe an .npy, a Parquet file or an Arrow stream in"
        )
    with tempfile.TemporaryDirectory(prefix="coreset-") as folder:
        copy = Path(folder) / "stdin"
        with disk_errors(copy), copy.open("wb") as file:
            while chunk := stream.read(1 << 20):
                file.write(chunk)
        opened = _open_file(copy, column)
        if kind == "parquet":
            columns = _in_memory(pq.read_table(copy, columns=list(opened.columns.names)))
            opened = replace(opened, columns=columns)
    renamed = Matrix([Shard("stdin", shard.array) for shard in opened.matrix.shards])
    return replace(opened, files=["-"], matrix=renamed)


def _metadata(path: Path, n: int, vectors: Path) -> Columns:
    if not path.exists():
        return _NO_COLUMNS
    read_schema(path)
    rows = pq.read_metadata(path).num_rows
    if rows != n:
        raise IdMismatch(
            f"{path} has {rows} rows, {vectors} has {n}; write the metadata again with the vectors"
        )
    return columns_on_disk([path])


def columns_on_disk(paths: Sequence[Path]) -> Columns:
    """Scalar columns of Parquet files, read when asked for."""
    names = scalar_names(read_schema(paths[0]))
    return Columns(tuple(names), lambda name: read_column(paths, name))


def _in_memory(table: pa.Table) -> Columns:
    return Columns(tuple(table.column_names), table.column)


def _chained(parts: Sequence[Columns]) -> Columns:
    """Columns that every part has."""
    names = tuple(n for n in parts[0].names if all(n in part.names for part in parts))

    def read(name: str) -> pa.ChunkedArray:
        try:
            return pa.chunked_array([c for part in parts for c in part.read(name).chunks])
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise SchemaMismatch(f"column '{name}' has other types in other files") from error

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


def _find_labels(opened: _Opened, named: str | None, path: str) -> Labels | None:
    if named is None:
        if LABEL_COLUMN not in opened.columns.names:
            return None
        named = LABEL_COLUMN
    if named in opened.columns.names:
        return make_labels(opened.columns.read(named), f"{path}: column '{named}'")
    file = Path(named)
    if not file.is_file():
        raise InvalidParameter(
            f"--label {named} is no column of {path} and no file; {_has(opened.columns)}"
        )
    labels = make_labels(read_label_file(file), str(file))
    if len(labels) != opened.matrix.n:
        raise IdMismatch(
            f"{file} has {len(labels)} labels, {path} has {opened.matrix.n} rows; "
            "give one label a row"
        )
    return labels


def _has(columns: Columns) -> str:
    names = ", ".join(columns.names)
    return f"it has {names}" if names else "it has no scalar columns"


def order_warning(shards: Sequence[Path]) -> list[str]:
    """Say so where the names of shards sort otherwise as text than as numbers."""

    def natural(path: Path) -> list[tuple[int, str | int]]:
        parts = re.split(r"(\d+)", path.name)
        return [(1, int(p)) if p.isdigit() else (0, p) for p in parts]

    if sorted(shards, key=natural) == list(shards):
        return []
    return [
        f"shards of {shards[0].parent} are read in the order of their names as text "
        f"({shards[0].name}, {shards[1].name}, …), not of their numbers; pad the numbers with zeros"
    ]
