"""Some rows of Parquet files, in any order, without any file whole in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.matrix import BLOCK_BYTES
from coreset_cli.io.parquet import parquet_file, read_schema, readable

__all__ = ["Gathered", "common_schema", "extent", "gather_rows"]


@dataclass(frozen=True)
class Gathered:
    """Rows kept in memory.

    Args:
        schema: their columns.
        pieces: the rows in ascending order of their numbers, in small tables. One table would
            not do: Arrow joins no more than 2 GB of texts or images.
        places: [k] where among them each row asked for lies.
    """

    schema: pa.Schema
    pieces: tuple[pa.Table, ...]
    places: NDArray[np.int64]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order they were asked for, a few megabytes at a time."""
        k = len(self.places)
        starts = np.cumsum([0, *(len(piece) for piece in self.pieces)])
        step = max(1, BLOCK_BYTES * k // max(1, sum(piece.nbytes for piece in self.pieces)))
        for first in range(0, k, step):
            places = self.places[first : first + step]
            owner = np.searchsorted(starts, places, side="right") - 1
            parts = [
                self.pieces[piece].take(pa.array(places[owner == piece] - starts[piece]))
                for piece in np.unique(owner)
            ]
            ordered = np.argsort(np.argsort(owner, kind="stable"))
            yield from pa.concat_tables(parts).take(pa.array(ordered)).combine_chunks().to_batches()


def common_schema(paths: Sequence[Path]) -> pa.Schema:
    """The columns that all files have, with the metadata of the first.

    Raises:
        ArtifactIncomplete: a file is truncated or damaged.
        SchemaMismatch: a file has other columns or types than the first.
    """
    schema = read_schema(paths[0])
    nullable = {field.name: field.nullable for field in schema}
    for path in paths[1:]:
        other = read_schema(path)
        for name in dict.fromkeys([*schema.names, *other.names]):
            types = [s.field(name).type if name in s.names else None for s in (schema, other)]
            if types[0] != types[1]:
                raise SchemaMismatch(
                    f"{path}: column '{name}' is {types[1] or 'missing'}, in {paths[0]} it is "
                    f"{types[0] or 'missing'}; write both with the same columns"
                )
            nullable[name] |= other.field(name).nullable
    fields = [field.with_nullable(nullable[field.name]) for field in schema]
    return pa.schema(fields, schema.metadata)


def extent(paths: Sequence[Path]) -> tuple[int, int]:
    """Rows, and bytes of all columns unpacked, over all files.

    Raises:
        ArtifactIncomplete: a file is truncated or damaged.
    """
    rows = size = 0
    for path in paths:
        with readable(path):
            meta = parquet_file(path).metadata
            size += sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            rows += meta.num_rows
    return rows, size


def gather_rows(
    paths: Sequence[Path], rows: NDArray[np.int64], progress: Callable[[int, int], None]
) -> Gathered:
    """Read the files once, in order, and keep some rows; row groups without any are passed over.

    Args:
        paths: files with the same columns.
        rows: [k] distinct row numbers, counted through all files.
        progress: called with the rows of row groups done, and all rows.

    Raises:
        ArtifactIncomplete: a file is truncated or damaged.
        SchemaMismatch: a file has other columns or types than the first.
    """
    schema = common_schema(paths)
    wanted = np.sort(rows)
    total, size = extent(paths)
    step = max(1, BLOCK_BYTES * total // max(1, size))
    pieces: list[pa.Table] = []
    first = 0
    for path in paths:
        with readable(path):
            file = parquet_file(path)
            for group in range(file.num_row_groups):
                stop = first + file.metadata.row_group(group).num_rows
                if _between(wanted, first, stop).size:
                    pieces += _pieces(file, group, schema, wanted, first, step)
                    # Rows kept lie between pages dropped; else memory grows with the file.
                    pa.default_memory_pool().release_unused()
                first = stop
                progress(first, total)
    return Gathered(schema, tuple(pieces), np.searchsorted(wanted, rows))


def _pieces(
    file: pq.ParquetFile,
    group: int,
    schema: pa.Schema,
    wanted: NDArray[np.int64],
    first: int,
    step: int,
) -> Iterator[pa.Table]:
    """The rows wanted of a row group whose first row has the number `first`."""
    for batch in file.iter_batches(step, row_groups=[group]):
        mine = _between(wanted, first, first + batch.num_rows) - first
        if mine.size:
            kept = batch.select(schema.names).take(pa.array(mine))
            yield pa.Table.from_arrays(kept.columns, schema=schema)
        first += batch.num_rows


def _between(ordered: NDArray[np.int64], first: int, stop: int) -> NDArray[np.int64]:
    """The numbers from `first` up to but without `stop`."""
    low, high = np.searchsorted(ordered, [first, stop])
    return ordered[low:high]
