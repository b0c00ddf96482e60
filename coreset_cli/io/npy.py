"""NumPy files: `.npy`, mapped and never unpickled, and the arrays inside an `.npz`."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, InvalidParameter, SchemaMismatch
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, Shard, spool

__all__ = ["open_npy", "open_npz", "read_flat_npy", "write_npy"]


def open_npy(path: Path) -> Matrix:
    """Map a two-dimensional array; only a Fortran-ordered one is copied, once, to a temporary file.

    Raises:
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not a NumPy file, pickled objects, not two-dimensional or not numbers.
    """
    array = _map(path)
    _require_vectors(array, str(path))
    if array.flags.c_contiguous:
        return Matrix([Shard(str(path), array)])
    step = max(1, BLOCK_BYTES // (array.shape[1] * array.itemsize))
    return spool(str(path), (array[i : i + step] for i in range(0, len(array), step)))


def read_flat_npy(path: Path) -> NDArray[np.generic]:
    """A one-dimensional array: labels, or row numbers.

    Raises:
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not a NumPy file, or not one-dimensional.
    """
    array = _map(path)
    if array.ndim != 1:
        raise SchemaMismatch(f"{path} has {array.ndim} dimensions, one was expected")
    return np.array(array, dtype=array.dtype.newbyteorder("="))


def open_npz(path: Path, column: str | None) -> Matrix:
    """Copy one array of an archive to a temporary file and map that.

    Args:
        path: the archive.
        column: name of the array; not needed where only one is two-dimensional.

    Raises:
        ArtifactIncomplete: truncated.
        SchemaMismatch: no such archive, or no array of vectors in it.
        InvalidParameter: no array of that name, or several and none named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            found = {name[:-4]: _member_shape(archive, name, path) for name in members}
            vectors = [name for name, shape in found.items() if len(shape) == 2]
            if column is not None and column not in found:
                raise InvalidParameter(f"{path} has no array '{column}'; it has {_names(found)}")
            if column is None and len(vectors) != 1:
                raise InvalidParameter(
                    f"{path} has {len(vectors)} two-dimensional arrays among {_names(found)}; "
                    "name one with --column"
                )
            name = column if column is not None else vectors[0]
            if name not in vectors:
                raise SchemaMismatch(f"{path}: array '{name}' has shape {found[name]}, not [n, d]")
            with archive.open(f"{name}.npy") as stream:
                return spool(f"{path}:{name}", _stream_blocks(stream, path))
    except (zipfile.BadZipFile, EOFError) as error:
        raise ArtifactIncomplete(f"{path} is truncated or not an .npz: {error}") from error


def write_npy(file: IO[bytes], array: NDArray[np.generic]) -> None:
    """Write an array in C order."""
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def _map(path: Path) -> NDArray[np.generic]:
    if path.stat().st_size == 0:
        raise ArtifactIncomplete(f"{path} is empty")
    try:
        return npy_format.open_memmap(path, mode="c")
    except ValueError as error:
        raise _translated(path, error) from error


def _translated(path: Path, error: ValueError) -> SchemaMismatch | ArtifactIncomplete:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            return SchemaMismatch(f"{path} is not a NumPy file; is the suffix right?")
    if "Python objects" in str(error):
        return SchemaMismatch(
            f"{path} holds pickled objects, which are never loaded; save a plain float array"
        )
    return ArtifactIncomplete(f"{path} is truncated or damaged ({error}); write it again")


def _require_vectors(array: NDArray[np.generic], name: str) -> None:
    if array.ndim != 2:
        raise SchemaMismatch(
            f"{name} has shape {array.shape}; vectors are two-dimensional, one a row"
        )
    if array.dtype.kind not in "fiub":
        raise SchemaMismatch(f"{name} holds {array.dtype}, not numbers")
    if 0 in array.shape:
        raise SchemaMismatch(f"{name} has shape {array.shape}; nothing can be selected from it")


def _member_shape(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[int, ...]:
    with archive.open(name) as stream:
        return _header(stream, path)[0]


def _header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = npy_format.read_magic(stream)
        read = (
            npy_format.read_array_header_1_0
            if version == (1, 0)
            else npy_format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
    except ValueError as error:
        raise ArtifactIncomplete(f"{path} holds a damaged array ({error})") from error
    if dtype.hasobject:
        raise SchemaMismatch(f"{path} holds pickled objects, which are never loaded")
    return shape, fortran, dtype


def _stream_blocks(stream: IO[bytes], path: Path) -> Iterator[NDArray[np.generic]]:
    (n, d), fortran, dtype = _header(stream, path)
    _require_vectors(np.empty((n and 1, d), dtype), str(path))
    if fortran:
        yield np.frombuffer(stream.read(), dtype).reshape(d, n).T
        return
    step = max(1, BLOCK_BYTES // (d * dtype.itemsize))
    for start in range(0, n, step):
        rows = min(step, n - start)
        data = stream.read(rows * d * dtype.itemsize)
        if len(data) < rows * d * dtype.itemsize:
            raise ArtifactIncomplete(f"{path} is truncated")
        yield np.frombuffer(data, dtype).reshape(rows, d)


def _names(found: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"'{name}' {list(shape)}" for name, shape in found.items()) or "no arrays"
