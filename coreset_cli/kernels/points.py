"""n vectors of dimension d, wherever they live.

A kernel that uses only these attributes and verbs runs unchanged on arrays, on mapped files larger
than memory, and on a device. Kernels that read the rows again and again round them once to a grid
(`fixed`), where nothing depends on threads, blocks or storage; the verbs here compute in float64,
and sums over rows may differ in the last bits with the number of threads.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.io.matrix import Matrix
from coreset_cli.kernels.comm import Alone, Comm
from coreset_cli.kernels.cuda.stream import BLOCK_VALUES, streamed
from coreset_cli.kernels.loops import Loops
from coreset_cli.kernels.portable import Portable
from coreset_cli.seeds import Key

__all__ = ["TIE", "Points"]

BLOCK_BYTES = 4 << 20
"""Bytes of a block in float64: it is converted and used while it is in the cache."""

KEPT_BYTES = 24 << 20
"""Bytes of float64 values kept from one pass to the next; as stored and at length 1 they may be
kept twice, and fit into the working memory that `select` states."""

STORED_BYTES = 8 << 20
"""Bytes of a block as stored."""

SMALL = 1 << 20
"""Values of a matrix that is done before compiled loops are loaded."""

ROOM = 1 << 62
"""Bytes of rows that may be held where nobody says how many."""

TIE = 2.0**-40
"""Values closer than this, relative to the terms they were summed from, count as equal."""


class Points:
    """Rows of a matrix on disk or in memory, or some of them.

    Args:
        matrix: [N, d] the vectors.
        key: ranks and hashes of the ids of the n rows.
        device: where kernels compute.
        rows: [n] which rows of the matrix these points are; all where not given.
        scaled: see every row divided by its norm; the zero row stays zero.
        comm: the places that hold the other rows.
        places: [n] row number of each row among the rows of all places; its own where not given.
        room: bytes of rows that may be held in memory; more are held in a temporary file.
        serial: compute with the caller's thread alone.
    """

    def __init__(
        self,
        matrix: Matrix,
        key: Key,
        device: torch.device | None = None,
        rows: NDArray[np.int64] | None = None,
        *,
        scaled: bool = False,
        comm: Comm | None = None,
        places: NDArray[np.int64] | None = None,
        room: int = ROOM,
        serial: bool = False,
    ) -> None:
        self.n = len(key)
        self.d = matrix.d
        self.key = key
        self.device = device or torch.device("cpu")
        self.scaled = scaled
        self.comm = comm or Alone()
        self.places = np.arange(self.n) if places is None else places
        self.room = room
        self.serial = serial
        self._matrix = matrix
        self._rows = rows

    @cached_property
    def rank(self) -> Int64[Tensor, " n"]:
        """Rank of each row's id: opaque, for ties."""
        return torch.from_numpy(self.key.rank).to(self.device)

    @property
    def total_n(self) -> int:
        """Number of rows of all places."""
        return int(self.comm.sum(np.array([self.n]))[0])

    def blocks(self) -> Iterator[tuple[int, Float[Tensor, "b d"]]]:
        """First row and float64 values of each block, in order; values live until the next block.

        Where all rows are few, their float64 values are kept from the first call on.
        """
        if self._kept is None:
            for start, block in self._unscaled():
                yield start, self._seen(block, slice(start, start + len(block)))
            return
        step = self._block_rows
        for start in range(0, self.n, step):
            yield start, self._kept[start : start + step]

    def rows(self, index: Int64[Tensor, " m"]) -> Float[Tensor, "m d"]:
        """Float64 values of some rows."""
        if self._kept is not None:
            return self._kept[index.to(self.device)]
        wanted = index.cpu().numpy()
        stored = self._matrix.take(wanted if self._rows is None else self._rows[wanted])
        values = _filled(self._empty(len(wanted)), stored)
        return self._seen(values, index.to(self.device))

    @cached_property
    def loops(self) -> Loops:
        """What runs over the rows: compiled on a processor, unless they are few."""
        if self.device.type != "cpu":
            return Portable(streamed, BLOCK_VALUES)
        if self._matrix.n * self.d < SMALL:
            return Portable()
        from coreset_cli.kernels.compiled import Compiled  # takes seconds the first time

        return Compiled(parallel=not self.serial)

    def subset(self, index: NDArray[np.int64]) -> "Points":
        """Some rows, as points of their own."""
        rows = index if self._rows is None else self._rows[index]
        return self._seen_as(rows=rows, key=self.key.take(index), places=self.places[index])

    def unit(self) -> "Points":
        """The same rows at length 1; a zero row is then at cosine 0 to everything."""
        return self._seen_as(scaled=True)

    def renumbered(self) -> "Points":
        """The same rows, numbered from 0."""
        return self._seen_as(places=np.arange(self.n))

    def one_thread(self) -> "Points":
        """The same rows, computed by the caller's thread alone."""
        return self._seen_as(serial=True)

    def stored(self) -> Iterator[tuple[int, Float32[Tensor, "b d"]]]:
        """First row and float32 values as stored of each block, in a buffer that is used again."""
        rows = max(1, min(self.n, STORED_BYTES // (4 * self.d)))
        buffer = torch.empty(rows, self.d, dtype=torch.float32)
        for start in range(0, self.n, rows):
            stop = min(start + rows, self.n)
            yield start, _filled(buffer[: stop - start], self._read(start, stop)).to(self.device)

    def each(
        self, part: Callable[[Float[Tensor, "b d"]], Float[Tensor, " b"]]
    ) -> Float[Tensor, " n"]:
        """One float64 value a row, computed block by block."""
        values = torch.empty(self.n, dtype=torch.float64, device=self.device)
        for start, block in self.blocks():
            values[start : start + len(block)] = part(block)
        return values

    def total(
        self, part: Callable[[int, Float[Tensor, "b d"]], Float[Tensor, "*s"]]
    ) -> Float[Tensor, "*s"]:
        """Sum over the blocks, in row order, of what `part` makes of (first row, block)."""
        sums = (part(start, block) for start, block in self.blocks())
        whole = next(sums)
        for piece in sums:
            whole = whole + piece
        return whole

    @property
    def _block_rows(self) -> int:
        return max(1, BLOCK_BYTES // (8 * self.d))

    @cached_property
    def _kept(self) -> Float[Tensor, "n d"] | None:
        if 8 * self.n * self.d > KEPT_BYTES:
            return None
        kept = self._empty(self.n)
        for start, block in self._unscaled():
            which = slice(start, start + len(block))
            kept[which] = self._seen(block, which)
        return kept

    def lengths(self, block: Float32[Tensor, "b d"]) -> Float64[Tensor, " b"]:
        """What each stored row is divided by: its norm where rows are seen at length 1."""
        if not self.scaled:
            return torch.ones(len(block), dtype=torch.float64, device=self.device)
        norms = self.loops.norms(block)
        return torch.where(norms > 0, norms, 1.0)

    @cached_property
    def _lengths(self) -> Float[Tensor, "n 1"]:
        lengths = torch.empty(self.n, 1, dtype=torch.float64, device=self.device)
        for start, block in self.stored():
            lengths[start : start + len(block), 0] = self.lengths(block)
        return lengths

    def _seen(
        self, values: Float[Tensor, "b d"], which: slice | Int64[Tensor, " b"]
    ) -> Float[Tensor, "b d"]:
        """Stored values of some rows as kernels see them; changed in place."""
        return values.div_(self._lengths[which]) if self.scaled else values

    def _unscaled(self) -> Iterator[tuple[int, Float[Tensor, "b d"]]]:
        """Blocks of the rows as they are stored, in a buffer that is used again."""
        buffer = self._empty(max(1, min(self._block_rows, self.n)))
        for start in range(0, self.n, len(buffer)):
            stop = min(start + len(buffer), self.n)
            yield start, _filled(buffer[: stop - start], self._read(start, stop))

    def _read(self, start: int, stop: int) -> NDArray[np.generic]:
        if self._rows is None:
            return self._matrix.read(start, stop)
        return self._matrix.take(self._rows[start:stop])

    def _seen_as(
        self,
        *,
        rows: NDArray[np.int64] | None = None,
        key: Key | None = None,
        places: NDArray[np.int64] | None = None,
        scaled: bool = False,
        serial: bool = False,
    ) -> "Points":
        return Points(
            self._matrix,
            self.key if key is None else key,
            self.device,
            self._rows if rows is None else rows,
            scaled=scaled or self.scaled,
            comm=self.comm,
            places=self.places if places is None else places,
            room=self.room,
            serial=serial or self.serial,
        )

    def _empty(self, rows: int) -> Float[Tensor, "b d"]:
        return torch.empty(rows, self.d, dtype=torch.float64, device=self.device)


def _filled(target: Float[Tensor, "b d"], stored: NDArray[np.generic]) -> Float[Tensor, "b d"]:
    """Write stored values, rounded to float32 where they are wider, into a tensor."""
    if stored.dtype not in (np.float16, np.float32):
        stored = stored.astype(np.float32)
    if not stored.flags.writeable:
        stored = stored.copy()  # torch refuses to look at values that are mapped read-only
    return target.copy_(torch.from_numpy(stored))
