"""Vectors block by block: rows that are hit get others, the rest keep every bit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import Columns
from coreset_cli.artifacts.tables import VectorData
from coreset_cli.corruption.vectors import VectorDamage
from coreset_cli.io.vectors import vectors_of

__all__ = ["DamagedVectors"]

VECTORS = "embedding"
"""Column of the vectors in what `VectorData` reads."""


@dataclass(frozen=True, kw_only=True)
class DamagedVectors:
    """Vectors and what lies beside them, after damage.

    Args:
        data: the input.
        replaced: [n] columns instead of those of the input, or behind them.
        damage: what is done to the vectors; none where only the columns change.
    """

    data: VectorData
    replaced: dict[str, pa.Array]
    damage: VectorDamage | None

    @property
    def path(self) -> str:
        """As the user typed it."""
        return self.data.path

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """All columns of some rows, a few megabytes at a time.

        Args:
            rows: [k] row numbers.
            progress: called with rows done, and k.
        """
        found = VectorData(
            path=self.data.path,
            files=self.data.files,
            ids=self.data.ids,
            matrix=self.data.matrix,
            columns=self._columns(),
        ).read(rows, progress)
        schema = found.schema

        def batches() -> Iterator[pa.RecordBatch]:
            first = 0
            for batch in found:
                mine = rows[first : first + batch.num_rows]
                yield self._damaged(batch, mine, first)
                first += batch.num_rows
                progress(first, len(rows))

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _columns(self) -> Columns:
        before = self.data.columns

        def read(name: str) -> pa.ChunkedArray:
            if name in self.replaced:
                return pa.chunked_array([self.replaced[name]])
            return before.read(name)

        return Columns(tuple(dict.fromkeys([*before.names, *self.replaced])), read)

    def _damaged(
        self, batch: pa.RecordBatch, rows: NDArray[np.int64], first: int
    ) -> pa.RecordBatch:
        if self.damage is None:
            return batch
        place = batch.schema.get_field_index(VECTORS)
        column = batch.column(place)
        after = self.damage.apply(vectors_of(column, first, self.path), rows)
        values = pa.array(np.ascontiguousarray(after).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(values, type=column.type)
        return batch.set_column(place, batch.schema.field(place), vectors)
