"""NumPy files, `.npy`: mapped, and never unpickled."""

import math
import os
import warnings
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, Shard, spool

__all__ = ["Header", "npy_bytes", "npy_dimensions", "open_npy", "read_flat_npy", "read_header"]


class Header(NamedTuple):
    """What an array says of itself before its values.

    Args:
        shape: of the array.
        fortran: columns are stored one after another.
        dtype: type of the values.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def require_vectors(self, name: str) -> None:
        """Refuse what is no table of numbers.

        Args:
            name: the file, for messages.

        Raises:
            SchemaMismatch: pickled objects, not two-dimensional, not numbers, or nothing at all.
        """
        self.require_plain(name)
        if len(self.shape) != 2:
            raise SchemaMismatch(
                f"{name} has shape {self.shape}; vectors are two-dimensional, one a row"
            )
        if self.dtype.kind not in "fiub":
            raise SchemaMismatch(f"{name} holds {self.dtype}, not numbers; save floats or integers")
        if 0 in self.shape:
            raise SchemaMismatch(
                f"{name} has shape {self.shape}; nothing can be selected from it, write it again"
            )

    def require_plain(self, name: str) -> None:
        """Refuse pickled objects.

        Raises:
            SchemaMismatch: the array holds Python objects.
        """
        if self.dtype.hasobject:
            raise SchemaMismatch(
                f"{name} holds pickled objects, which are never loaded; save a plain array"
            )


def open_npy(path: Path) -> Matrix:
    """Map a two-dimensional array; only a Fortran-ordered one is copied, once, to a temporary file.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not a NumPy file, pickled objects, not two-dimensional or not numbers.
    """
    with read_errors(path), path.open("rb") as file:
        header = read_header(file, str(path))
        header.require_vectors(str(path))
        array = _map(file, header, path)
    if array.flags.c_contiguous:
        return Matrix([Shard(str(path), array)])
    step = max(1, BLOCK_BYTES // (array.shape[1] * array.itemsize))
    return spool(str(path), (array[i : i + step] for i in range(0, len(array), step)))


def npy_dimensions(path: Path) -> int:
    """How many dimensions an array has.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not a NumPy file.
    """
    with read_errors(path), path.open("rb") as file:
        return len(read_header(file, str(path)).shape)


def read_flat_npy(path: Path) -> NDArray[np.generic]:
    """A one-dimensional array: labels, or row numbers.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not a NumPy file, or not one-dimensional.
    """
    with read_errors(path), path.open("rb") as file:
        header = read_header(file, str(path))
        header.require_plain(str(path))
        if len(header.shape) != 1:
            raise SchemaMismatch(
                f"{path} has shape {header.shape}; one dimension was expected, one value a row"
            )
        array = _map(file, header, path)
    return np.array(array, dtype=array.dtype.newbyteorder("="))


def read_header(file: IO[bytes], name: str) -> Header:
    """Read the header of an array and stay at its first value.

    Args:
        file: at the beginning of the array.
        name: the file, for messages.

    Raises:
        ArtifactIncomplete: empty, truncated or damaged.
        SchemaMismatch: not a NumPy array.
    """
    start = file.read(npy_format.MAGIC_LEN)
    if not start:
        raise ArtifactIncomplete(f"{name} is empty; write it again")
    if not start.startswith(npy_format.MAGIC_PREFIX[: len(start)]):
        raise SchemaMismatch(f"{name} is not a NumPy file; is the suffix right?")
    if start[-2:] == b"\x01\x00":
        read = npy_format.read_array_header_1_0
    elif start[-2:] in {b"\x02\x00", b"\x03\x00"}:
        read = npy_format.read_array_header_2_0
    else:
        raise ArtifactIncomplete(f"{name} is truncated or of an unknown version of .npy")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2 are read all the same
            header = Header(*read(file))
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ArtifactIncomplete(
            f"{name} is truncated or damaged ({reason}); write it again"
        ) from error
    if any(length < 0 for length in header.shape):
        raise ArtifactIncomplete(f"{name} is damaged: it claims the shape {header.shape}")
    return header


def npy_bytes(array: NDArray[np.generic]) -> bytes:
    """An array as the bytes of an `.npy` file, in C order."""
    file = BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _map(file: IO[bytes], header: Header, path: Path) -> NDArray[np.generic]:
    """Map the values behind a header.

    Raises:
        ArtifactIncomplete: the file has fewer bytes than the header promises.
        SchemaMismatch: no values.
    """
    there = os.fstat(file.fileno()).st_size - file.tell()
    if there < header.nbytes:
        raise ArtifactIncomplete(
            f"{path} is truncated: {header.shape} {header.dtype} take {header.nbytes} bytes, "
            f"{there} are there; write it again"
        )
    if header.nbytes == 0:
        raise SchemaMismatch(f"{path} has shape {header.shape}: there is nothing in it")
    order = "F" if header.fortran else "C"
    # Read-only: pages that could be written to would count towards a limit on data (RLIMIT_DATA).
    return np.memmap(file, header.dtype, "r", file.tell(), header.shape, order)  # type: ignore[call-overload]
