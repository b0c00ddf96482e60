"""IDX files, the format of MNIST and its family: a header of a few numbers, then plain bytes.

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.matrix import BLOCK_BYTES, temporary_file

__all__ = ["GZIP_MAGIC", "open_idx", "starts_like_idx"]

GZIP_MAGIC = b"\x1f\x8b"

UBYTE = 0x08
"""The type code of unsigned bytes, the only one read."""

DEFLATE_RATIO = 1032
"""No gzip file unpacks to more than this many times its size."""


def starts_like_idx(start: bytes) -> bool:
    """Whether a file that begins with these bytes is IDX, or gzip, which may hold it."""
    is_plain = len(start) >= 4 and start[:2] == b"\0\0" and 0x08 <= start[2] <= 0x0E
    return start[:2] == GZIP_MAGIC or (is_plain and 1 <= start[3] <= 4)


def open_idx(path: Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file of 1 to 4 dimensions, mapped; gzip is unpacked to a temporary file.

    No more is unpacked than the header announces.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty, truncated or damaged.
        SchemaMismatch: no IDX file, of other values than bytes, or longer than its header says.
        DiskFull: no room for the temporary file.
    """
    with read_errors(path), path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not is_packed:
            shape = _shape(file, path)
            offset, size = file.tell(), path.stat().st_size
            _require(size - offset >= prod(shape), path, f"{size} bytes for {list(shape)} values")
            _refuse_longer(size - offset > prod(shape), path, shape)
            return np.memmap(file, np.uint8, "r", offset, shape)
        with _unpacked(file, path) as stream:
            shape = _shape(stream, path)
            size = path.stat().st_size
            _require(
                prod(shape) <= DEFLATE_RATIO * size, path, f"{size} bytes for {list(shape)} values"
            )
            return _spooled(stream, shape, path)


def _shape(stream: IO[bytes], path: Path) -> tuple[int, ...]:
    """The dimensions that the header announces; the stream then stands at the first value."""
    start = stream.read(4)
    _require(len(start) == 4, path, "no whole header")
    if not starts_like_idx(start) or start[:2] == GZIP_MAGIC:
        raise SchemaMismatch(
            f"{path} is no IDX file: it begins with {start.hex(' ')}, IDX with 00 00 08; name "
            "the file that holds the images"
        )
    if start[2] != UBYTE:
        raise SchemaMismatch(
            f"{path} holds values of type {start[2]:#04x}; images and labels are bytes (0x08)"
        )
    sizes = stream.read(4 * start[3])
    _require(len(sizes) == 4 * start[3], path, "no whole header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    if prod(shape) == 0:
        raise SchemaMismatch(f"{path} has the shape {list(shape)}: it holds nothing")
    return shape


def _spooled(stream: IO[bytes], shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    left = prod(shape)
    with temporary_file() as file:
        while left and (block := stream.read(min(left, BLOCK_BYTES))):
            file.write(block)
            left -= len(block)
        _require(left == 0, path, f"{left} of {prod(shape)} values are missing")
        _refuse_longer(bool(stream.read(1)), path, shape)  # checks the checksum, too
        file.flush()
        return np.memmap(file, np.uint8, "r", 0, shape)


@contextmanager
def _unpacked(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            yield cast("IO[bytes]", stream)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ArtifactIncomplete(
            f"{path} is truncated or damaged ({error}); fetch it again"
        ) from error


def _require(is_whole: bool, path: Path, found: str) -> None:
    if not is_whole:
        raise ArtifactIncomplete(f"{path} is truncated ({found}); fetch it again")


def _refuse_longer(is_longer: bool, path: Path, shape: tuple[int, ...]) -> None:
    if is_longer:
        raise SchemaMismatch(
            f"{path} has more bytes than its header announces ({list(shape)}); fetch it again"
        )
