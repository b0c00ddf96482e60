"""Vectors as they lie on disk or come from stdin, before ids and labels are chosen."""

import io
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from coreset_cli.artifacts.columns import (
    NO_COLUMNS,
    Columns,
    chained,
    columns_in_memory,
    columns_on_disk,
)
from coreset_cli.artifacts.digits import load_digits
from coreset_cli.artifacts.shards import shards_of
from coreset_cli.errors import (
    ArtifactIncomplete,
    CoresetError,
    InvalidParameter,
    MissingInput,
    SchemaMismatch,
)
from coreset_cli.io.access import is_folder, read_errors
from coreset_cli.io.matrix import Matrix, Shard, join, temporary_file
from coreset_cli.io.npy import open_npy
from coreset_cli.io.npz import flat_names, open_npz, read_flat_member
from coreset_cli.io.parquet import read_rows
from coreset_cli.io.safetensors import open_safetensors
from coreset_cli.io.sniff import file_kind, kind_of_bytes
from coreset_cli.io.vectors import open_arrow, open_parquet

__all__ = ["Source", "open_sources"]

META_SUFFIX = ".meta.parquet"

PIPED = "pipe an .npy, an .npz, a Parquet file or an Arrow stream in"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Vectors and the columns beside them.

    Args:
        files: what was read, in order.
        matrix: [n, d] vectors.
        columns: scalar columns beside them; none where they are misaligned.
        warnings: what the user should know.
        misaligned: metadata that have other rows than their vectors, in words.
    """

    files: tuple[str, ...]
    matrix: Matrix
    columns: Columns = NO_COLUMNS
    warnings: tuple[str, ...] = ()
    misaligned: tuple[str, ...] = ()


def open_sources(paths: Sequence[str], column: str | None) -> Source:
    """Open vectors wherever they are; several paths are one input.

    Args:
        paths: files, folders, `digits:train`, `digits:test`, or `-` for stdin.
        column: the column of vectors, or the array of an `.npz`.

    Raises:
        FileMissing: an input is not there.
        ArtifactError: an input is not what it should be.
        InvalidParameter: a column named does not exist.
        MissingInput: `-`, and stdin is a terminal or closed.
    """
    return _joined([_open_one(path, column) for path in paths], paths)


def _joined(sources: Sequence[Source], names: Sequence[str]) -> Source:
    if len(sources) == 1:
        return sources[0]
    misaligned = tuple(words for source in sources for words in source.misaligned)
    matrix = join([source.matrix for source in sources])
    parts = [(name, source.columns) for name, source in zip(names, sources, strict=True)]
    return Source(
        files=tuple(file for source in sources for file in source.files),
        matrix=matrix,
        columns=NO_COLUMNS if misaligned else chained(parts),
        warnings=tuple(words for source in sources for words in source.warnings),
        misaligned=misaligned,
    )


def _open_one(path: str, column: str | None) -> Source:
    if path == "-":
        return _open_stdin(column)
    if path.startswith("digits:"):
        vectors, table = load_digits(path)
        matrix = Matrix([Shard(path, vectors)])
        return Source(files=(path,), matrix=matrix, columns=columns_in_memory(table))
    file = Path(path)
    if not is_folder(file):
        return _open_file(file, column, None)
    found = shards_of(file)
    shards = [
        _open_file(shard, column, meta)
        for shard, meta in zip(found.files, found.metadata, strict=True)
    ]
    whole = _joined(shards, [str(shard) for shard in found.files])
    return replace(whole, warnings=(*found.warnings, *whole.warnings))


def _open_file(path: Path, column: str | None, metadata: Path | None) -> Source:
    """Open one file.

    Args:
        path: the file.
        column: the column of vectors.
        metadata: the file of its scalar columns, where it is not found by name.
    """
    if path.is_fifo():
        with read_errors(path), path.open("rb") as pipe:
            return _open_pipe(pipe, str(path), column)
    kind = file_kind(path)
    matrix, columns = _READERS.get(kind, _refuse)(path, column)
    source = Source(files=(str(path),), matrix=matrix, columns=columns)
    if kind in {"parquet", "arrow"}:
        return source
    beside = metadata or path.with_name(path.name + META_SUFFIX)
    if kind == "npz" and not beside.exists():
        beside = path.with_suffix(".parquet")  # DataComp: uids of the same name
    if not beside.exists():
        return source
    rows = read_rows(beside)
    if rows == matrix.n:
        return replace(source, columns=columns_on_disk([beside]))
    words = f"{beside} has {rows} rows, {path} has {matrix.n}; write both again together"
    return replace(source, columns=NO_COLUMNS, misaligned=(words,))


def _read_npy(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    if column is not None:
        raise InvalidParameter(f"{path} has no columns; --column is for Parquet and .npz")
    return open_npy(path), NO_COLUMNS


def _read_npz(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    matrix = open_npz(path, column)

    def read(name: str) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(read_flat_member(path, name))])

    return matrix, Columns(tuple(flat_names(path, matrix.n)), read)


def _read_safetensors(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    return open_safetensors(path, column), NO_COLUMNS


def _read_parquet(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    return join(open_parquet([path], column)), columns_on_disk([path])


def _read_arrow(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    with pa.OSFile(str(path)) as file:
        matrix, table = open_arrow(file, str(path), column)
    return matrix, columns_in_memory(table)


def _refuse(path: Path, column: str | None) -> tuple[Matrix, Columns]:
    raise SchemaMismatch(f"{path} is an Arrow file; write it as a stream (.arrows) or as Parquet")


_READERS: dict[str, Callable[[Path, str | None], tuple[Matrix, Columns]]] = {
    "npy": _read_npy,
    "npz": _read_npz,
    "safetensors": _read_safetensors,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
}


def _open_stdin(column: str | None) -> Source:
    """A file at stdin is read where it lies, a pipe is copied once to a temporary file."""
    if sys.stdin is None:
        raise MissingInput(f"stdin is closed; {PIPED}")
    if sys.stdin.isatty():
        raise MissingInput(f"stdin is a terminal; {PIPED}, or name a file")
    stream = sys.stdin.buffer
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:
        return _open_pipe(stream, "stdin", column)
    if stat.S_ISREG(os.fstat(number).st_mode) and os.lseek(number, 0, os.SEEK_CUR) == 0:
        return _as_if_named(number, "stdin", column)
    return _open_pipe(stream, "stdin", column)


def _open_pipe(stream: BinaryIO, name: str, column: str | None) -> Source:
    buffered = stream if isinstance(stream, io.BufferedReader) else _peekable(stream)
    with read_errors(name):
        start = buffered.peek(16)[:16]
    if not start:
        raise ArtifactIncomplete(f"{name} is empty; {PIPED}")
    if kind_of_bytes(start) == "arrow":
        matrix, table = open_arrow(pa.PythonFile(buffered, "r"), name, column)
        return Source(files=(name,), matrix=matrix, columns=columns_in_memory(table))
    with temporary_file() as copy:
        while chunk := buffered.read(1 << 20):
            copy.write(chunk)
        copy.flush()
        number = os.dup(copy.fileno())
    try:
        return _as_if_named(number, name, column)
    except BaseException:
        os.close(number)
        raise


def _peekable(stream: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", stream))


def _as_if_named(number: int, name: str, column: str | None) -> Source:
    """Open the file behind a descriptor, which stays open for columns that are read later."""
    path = Path(f"/dev/fd/{number}")
    translate = partial(_renamed, str(path), name)
    try:
        source = _open_file(path, column, None)
    except CoresetError as error:
        raise translate(error) from error.__cause__

    def read(column: str) -> pa.ChunkedArray:
        try:
            return source.columns.read(column)
        except CoresetError as error:
            raise translate(error) from error.__cause__

    shards = [Shard(name, shard.array) for shard in source.matrix.shards]
    columns = Columns(source.columns.names, read)
    return replace(source, files=(name,), matrix=Matrix(shards), columns=columns)


def _renamed(path: str, name: str, error: CoresetError) -> CoresetError:
    """The same error of a file as the user knows it."""
    return type(error)(str(error).replace(path, name))
