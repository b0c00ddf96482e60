"""Rows of Parquet files in order, from any row on, a few megabytes at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from coreset_cli.io.matrix import BLOCK_BYTES
from coreset_cli.io.parquet import parquet_file, readable

__all__ = ["stream_rows"]


def stream_rows(
    paths: Sequence[Path], names: Sequence[str], start: int = 0
) -> Iterator[pa.RecordBatch]:
    """Some columns of all rows from a row on; row groups before it are not read.

    Args:
        paths: files with the same columns.
        names: of the columns.
        start: the first row, counted over all files.

    Raises:
        ArtifactIncomplete: a file is truncated or damaged.
    """
    for path in paths:
        with readable(path):
            file = parquet_file(path)
            for number in range(file.num_row_groups):
                group = file.metadata.row_group(number)
                if start >= group.num_rows:
                    start -= group.num_rows
                    continue
                rows = max(1, BLOCK_BYTES * group.num_rows // max(1, group.total_byte_size))
                for batch in file.iter_batches(rows, row_groups=[number], columns=list(names)):
                    if start < batch.num_rows:
                        yield batch.slice(start)
                    start = max(0, start - batch.num_rows)
