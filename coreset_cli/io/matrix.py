"""Vectors on disk: one or more arrays, read block by block and never all at once."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import DiskFull, SchemaMismatch
from coreset_cli.io.atomic import disk_errors

__all__ = ["Matrix", "Shard", "join", "spool", "temporary_file"]

BLOCK_BYTES = 8 << 20
"""Bytes of one block as stored; a block and its float64 copy stay near the processor."""


@dataclass(frozen=True)
class Shard:
    """Rows of one file.

    Args:
        name: the file, as messages name it.
        array: [n, d], usually mapped.
    """

    name: str
    array: NDArray[np.generic]


class Matrix:
    """The rows of all shards, in order.

    Args:
        shards: at least one, all of the same width.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self.starts = np.cumsum([0, *(len(shard.array) for shard in self.shards)])
        self.n = int(self.starts[-1])
        self.d = self.shards[0].array.shape[1]
        self.dtype = np.result_type(*(s.array.dtype for s in self.shards)).newbyteorder("=")

    @property
    def block_rows(self) -> int:
        """Rows of a block: a function of the width alone, so memory never decides a pick."""
        return max(1, BLOCK_BYTES // (self.d * self.dtype.itemsize))

    def blocks(self) -> Iterator[tuple[int, NDArray[np.generic]]]:
        """First row and values of each block, in order."""
        for start in range(0, self.n, self.block_rows):
            yield start, self.read(start, min(start + self.block_rows, self.n))

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Rows start to stop, in the machine's byte order; a view where nothing must change."""
        pieces = []
        for shard, first in zip(self.shards, self.starts, strict=False):
            piece = shard.array[max(start - first, 0) : max(stop - first, 0)]
            if len(piece):
                pieces.append(piece)
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return np.ascontiguousarray(whole, dtype=self.dtype)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.generic]:
        """Some rows, in the order asked for."""
        taken = np.empty((len(rows), self.d), self.dtype)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        for index in np.unique(owner):
            mine = owner == index
            taken[mine] = self.shards[index].array[rows[mine] - self.starts[index]]
        return taken

    def where(self, row: int) -> str:
        """File and row inside the file, as messages name them."""
        index = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.shards[index].name}: row {row - int(self.starts[index])}"


def join(matrices: Sequence[Matrix]) -> Matrix:
    """One matrix of several.

    Raises:
        SchemaMismatch: the widths differ.
    """
    first = matrices[0]
    for matrix in matrices[1:]:
        if matrix.d != first.d:
            raise SchemaMismatch(
                f"{matrix.shards[0].name} has vectors of width {matrix.d}, "
                f"{first.shards[0].name} of width {first.d}; embed both with one encoder"
            )
    return Matrix([shard for matrix in matrices for shard in matrix.shards])


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """A file without a name: it is gone when nobody maps it any more, however the process ends.

    Raises:
        DiskFull: the temporary folder has no room.
    """
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:  # it tries to write a few bytes, and could nowhere
        raise DiskFull("no temporary folder has room; set TMPDIR to one that has") from error
    with (
        disk_errors(f"a temporary copy in {folder} (TMPDIR)"),
        tempfile.TemporaryFile(prefix="coreset-") as file,
    ):
        yield file


def spool(name: str, blocks: Iterable[NDArray[np.generic]]) -> Matrix:
    """Copy vectors once into an unnamed temporary file and map it.

    Args:
        name: the file they come from, for messages.
        blocks: arrays of one width; converted to the type of the first.

    Raises:
        DiskFull: the temporary folder has no room.
        SchemaMismatch: the widths differ, or there is no block.
    """
    dtype: np.dtype[np.generic] | None = None
    width = rows = 0
    with temporary_file() as file:
        for block in blocks:
            if dtype is None:
                dtype, width = block.dtype.newbyteorder("="), block.shape[1]
            if block.shape[1] != width:
                raise SchemaMismatch(
                    f"{name}: row {rows} has {block.shape[1]} values, the rows before it {width}"
                )
            file.write(np.ascontiguousarray(block, dtype=dtype).data)
            rows += len(block)
        if dtype is None or rows == 0 or width == 0:
            raise SchemaMismatch(f"{name} has no rows of vectors; write it again")
        file.flush()
        mapped = np.memmap(file, dtype=dtype, mode="r", shape=(rows, width))
    return Matrix([Shard(name, mapped)])
