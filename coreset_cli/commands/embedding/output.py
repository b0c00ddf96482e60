"""The vectors with ids, labels and columns beside them, written as `take` writes vectors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import LABEL_COLUMN, columns_in_memory
from coreset_cli.artifacts.embeddings import Embeddings, scan
from coreset_cli.artifacts.ids import make_ids
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.artifacts.subset import Subset, write_subset
from coreset_cli.artifacts.tables import VectorData
from coreset_cli.commands.embedding.request import Input, Request
from coreset_cli.io.matrix import Matrix

__all__ = ["Beside", "beside", "content_digest", "vectors_of", "write"]

OWN = "data_"
"""Before the name of a column of the data that gives way to one that embed writes."""


@dataclass(frozen=True)
class Beside:
    """Columns that go with the vectors.

    Args:
        table: [n] rows: `id`, `label` where there are labels, and all scalar columns.
        notes: what the user should know of them.
    """

    table: pa.Table
    notes: tuple[str, ...]


def beside(found: Input, request: Request) -> Beside:
    """The columns of all samples.

    The labels that `--label` names become the column `label`, where every command looks for them.
    """
    source, notes = found.source, []
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"id": source.ids.values}
    named = request.label
    if named is not None and named != LABEL_COLUMN:
        is_column = named in source.columns.names
        assert source.labels is not None
        columns[LABEL_COLUMN] = (
            source.columns.read(named) if is_column else _column_of(source.labels)
        )
    for name in source.columns.names:
        if name == found.content:
            continue
        values = source.columns.read(name)
        if name not in columns:
            columns[name] = values
        elif name == LABEL_COLUMN or request.ids not in (None, name):
            columns[OWN + name] = values
            notes.append(
                f"column '{name}' of {source.path} travels as '{OWN}{name}', as '{name}' is "
                f"{named if name == LABEL_COLUMN else request.ids}"
            )
    return Beside(pa.table(columns), tuple(notes))


def _column_of(labels: Labels) -> pa.Array:
    """Labels of a file: integers where all are."""
    texts = labels.texts().tolist()
    if labels.are_integers:
        return pa.array([int(text) for text in texts], pa.int64())
    return pa.array(texts, pa.large_string())


def vectors_of(matrix: Matrix, table: pa.Table, name: str) -> VectorData:
    """Vectors and columns as a data set.

    Args:
        matrix: [n e].
        table: [n] rows.
        name: what messages call it.
    """
    return VectorData(
        path=name,
        files=(),
        ids=make_ids(table["id"], f"{name}: column 'id'"),
        matrix=matrix,
        columns=columns_in_memory(table),
    )


def content_digest(data: VectorData) -> str:
    """The content digest that any command will find in the output."""
    labels = None
    if LABEL_COLUMN in data.columns.names:
        labels = make_labels(data.columns.read(LABEL_COLUMN), f"{data.path}: column 'label'")
    found = Embeddings(
        path=data.path,
        files=(),
        matrix=data.matrix,
        columns=data.columns,
        ids=data.ids,
        labels=labels,
    )
    return scan(found).record.content_digest


def write(
    path: Path,
    data: VectorData,
    describe: Callable[[], Manifest],
    progress: Callable[[int, int], None],
) -> None:
    """Write the output, whole or not at all.

    Raises:
        DiskFull: no space left.
    """
    rows: NDArray[np.int64] = np.arange(data.matrix.n)
    subset = Subset(data=data, rows=rows, added=pa.table({}), column=None, describe=describe)
    write_subset(path, path.suffix.lower().removeprefix("."), subset, progress)
