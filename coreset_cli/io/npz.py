"""Arrays in an `.npz` archive, copied to a temporary file block by block."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, spool
from coreset_cli.io.npy import Header, read_header

__all__ = ["flat_names", "open_npz", "read_flat_member"]


def open_npz(path: Path, column: str | None) -> Matrix:
    """Copy one array of an archive to a temporary file and map that.

    Args:
        path: the archive.
        column: name of the array; not needed where only one is two-dimensional.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: no array of vectors in it.
        InvalidParameter: no array of that name, or several and none named.
    """
    with _archive(path) as archive:
        found = _headers(archive, path)
        vectors = [name for name, header in found.items() if len(header.shape) == 2]
        if column is not None and column not in found:
            raise InvalidParameter(f"{path} has no array '{column}'; it has {_listed(found)}")
        if column is None and not vectors:
            raise SchemaMismatch(
                f"{path} has no two-dimensional array, one vector a row; it has {_listed(found)}"
            )
        if column is None and len(vectors) > 1:
            raise InvalidParameter(
                f"{path} has {len(vectors)} two-dimensional arrays among {_listed(found)}; "
                "name one with --column"
            )
        name = column if column is not None else vectors[0]
        return _member_matrix(archive, name, path)


def flat_names(path: Path, n: int) -> list[str]:
    """Names of the one-dimensional arrays with n values: columns beside the vectors.

    Raises:
        ArtifactIncomplete: truncated or damaged.
    """
    with _archive(path) as archive:
        found = _headers(archive, path)
    return [
        name
        for name, header in found.items()
        if header.shape == (n,) and header.dtype.kind in "fiubU"
    ]


def read_flat_member(path: Path, name: str) -> NDArray[np.generic]:
    """A one-dimensional array of an archive.

    Raises:
        ArtifactIncomplete: truncated or damaged.
    """
    with _archive(path) as archive, archive.open(f"{name}.npy") as stream:
        header = read_header(stream, f"{path}:{name}")
        data = _exactly(stream, header.nbytes, path)
    return np.frombuffer(data, header.dtype).astype(header.dtype.newbyteorder("="))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and translate every word for a broken one."""
    try:
        with read_errors(path), zipfile.ZipFile(path) as archive:
            yield archive
    # zipfile says RuntimeError for an encrypted member or an unknown compression, ValueError for
    # an offset before the beginning, OSError for bzip2 that is none.
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        raise ArtifactIncomplete(
            f"{path} is truncated or damaged ({error}); write it again"
        ) from error


def _headers(archive: zipfile.ZipFile, path: Path) -> dict[str, Header]:
    found = {}
    for member in archive.namelist():
        if member.endswith(".npy"):
            with archive.open(member) as stream:
                found[member[:-4]] = read_header(stream, f"{path}:{member[:-4]}")
    return found


def _member_matrix(archive: zipfile.ZipFile, name: str, path: Path) -> Matrix:
    label = f"{path}:{name}"
    with archive.open(f"{name}.npy") as stream:
        header = read_header(stream, label)
        header.require_vectors(label)
        if header.nbytes > archive.getinfo(f"{name}.npy").file_size:
            raise ArtifactIncomplete(f"{label} is truncated; write {path} again")
        if not header.fortran:
            return spool(label, _blocks(stream, header.shape, header.dtype, path))
        # Stored as its transpose: copied as it lies, then turned block by block.
        turned = spool(label, _blocks(stream, header.shape[::-1], header.dtype, path))
    columns = turned.shards[0].array.T
    step = max(1, BLOCK_BYTES // (columns.shape[1] * columns.itemsize))
    return spool(label, (columns[i : i + step] for i in range(0, len(columns), step)))


def _blocks(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[np.generic], path: Path
) -> Iterator[NDArray[np.generic]]:
    rows, width = shape
    step = max(1, BLOCK_BYTES // (width * dtype.itemsize))
    for start in range(0, rows, step):
        some = min(step, rows - start)
        data = _exactly(stream, some * width * dtype.itemsize, path)
        yield np.frombuffer(data, dtype).reshape(some, width)
    stream.read(1)  # the archive checks its checksum where a member ends


def _exactly(stream: IO[bytes], size: int, path: Path) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ArtifactIncomplete(f"{path} is truncated; write it again")
    return data


def _listed(found: dict[str, Header]) -> str:
    return ", ".join(f"'{name}' {list(h.shape)}" for name, h in found.items()) or "no arrays"
