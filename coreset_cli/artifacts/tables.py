"""Samples that are rows already: of Parquet files, or of vectors with columns beside them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import Columns
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.linked import with_linked
from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.gather import extent, gather_rows
from coreset_cli.io.matrix import Matrix
from coreset_cli.io.parquet import read_rows
from coreset_cli.io.stream import stream_rows

__all__ = ["TableData", "VectorData"]


@dataclass(frozen=True, kw_only=True)
class TableData:
    """Rows of Parquet files with the same columns.

    Args:
        path: as the user typed it.
        files: what it stands for, in the order read.
        ids: one name a row.
        columns: scalar columns.
        schema: all columns.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    columns: Columns
    schema: pa.Schema
    warnings: tuple[str, ...] = ()

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on; images that are named are read from beside."""
        found = stream_rows([Path(file) for file in self.files], names, start)
        return with_linked(_numbered(found, np.arange(start, len(self.ids))), self._folders)

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """All columns of some rows; the files are read once, and only these rows are kept."""
        found = gather_rows([Path(file) for file in self.files], rows, progress)
        batches = with_linked(_numbered(found.batches(), rows), self._folders)
        return pa.RecordBatchReader.from_batches(found.schema, batches)

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of some rows, were all rows of one size."""
        total, size = extent([Path(file) for file in self.files])
        return size * len(rows) // max(1, total)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first row of each file."""
        return np.cumsum([0, *(read_rows(Path(file)) for file in self.files)])

    def _folders(self, rows: NDArray[np.int64]) -> list[Path]:
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        return [Path(self.files[file]).parent for file in owner]


def _numbered(
    batches: Iterable[pa.RecordBatch], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Batches with the row numbers of each, taken from all row numbers in order."""
    first = 0
    for batch in batches:
        yield rows[first : first + batch.num_rows], batch
        first += batch.num_rows


@dataclass(frozen=True, kw_only=True)
class VectorData:
    """Vectors with the scalar columns beside them.

    Args:
        path: as the user typed it.
        files: what it stands for, in the order read.
        ids: one name a row.
        matrix: [n, d] vectors.
        columns: scalar columns.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    matrix: Matrix
    columns: Columns
    warnings: tuple[str, ...] = ()

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on."""
        rows = np.arange(start, self.matrix.n)
        for batch in self.read(rows, lambda done, total: None):
            yield batch.select(list(names))

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """The vectors as a column `embedding`, and the scalar columns.

        Raises:
            SchemaMismatch: a type of numbers that tables do not have.
        """
        try:
            kind = pa.list_(pa.from_numpy_dtype(self.matrix.dtype), self.matrix.d)
        except pa.ArrowNotImplementedError as error:
            raise SchemaMismatch(
                f"{self.path} holds {self.matrix.dtype}, which tables do not have; save float32"
            ) from error
        scalars = pa.table(
            {n: self.columns.read(n).take(pa.array(rows)) for n in self.columns.names}
        )
        schema = pa.schema([pa.field("embedding", kind, nullable=False), *scalars.schema])

        def batches() -> Iterator[pa.RecordBatch]:
            for first in range(0, len(rows), self.matrix.block_rows):
                values = self.matrix.take(rows[first : first + self.matrix.block_rows])
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=kind)
                beside = scalars.slice(first, len(values)).columns
                table = pa.Table.from_arrays([vectors, *beside], schema=schema)
                yield from table.combine_chunks().to_batches()

        return pa.RecordBatchReader.from_batches(schema, batches())

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of the vectors."""
        return len(rows) * self.matrix.d * self.matrix.dtype.itemsize
