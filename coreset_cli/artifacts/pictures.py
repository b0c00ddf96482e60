"""Samples that are images, with their ids, labels and scalar columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import Columns, find_labels
from coreset_cli.artifacts.dataset import Dataset, open_dataset
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord

__all__ = ["Pictures", "open_pictures", "record_of"]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """An input of images; row i of everything is the same sample.

    Args:
        data: where the images lie.
        column: the column of images in it.
        labels: one class a row, where the input has labels.
    """

    data: Dataset
    column: str
    labels: Labels | None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.data.ids)

    @property
    def path(self) -> str:
        """As the user typed it."""
        return self.data.path

    @property
    def ids(self) -> Ids:
        """One name a row."""
        return self.data.ids

    @property
    def columns(self) -> Columns:
        """Scalar columns."""
        return self.data.columns

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of how it was read."""
        return self.data.warnings

    def batches(self, start: int = 0) -> Iterator[tuple[int, list[bytes | None]]]:
        """All images from a row on, as they are stored: the first row, and a few megabytes.

        An image that is not there (a null) is none.
        """
        for batch in self.data.scan([self.column], start):
            yield start, _encoded(batch.column(0))
            start += batch.num_rows

    def take(self, rows: NDArray[np.int64]) -> Iterator[list[bytes | None]]:
        """Some images in the order asked for, a few megabytes at a time."""
        for batch in self.data.read(rows, lambda done, total: None):
            yield _encoded(batch.column(self.column))


def open_pictures(
    paths: Sequence[str],
    *,
    column: str | None = None,
    ids: str | None = None,
    label: str | None = None,
) -> Pictures:
    """Open images wherever they are; none is read yet.

    Args:
        paths: a file, a folder, tar shards, or a name; several files are one input.
        column: the column of images.
        ids: the column of ids.
        label: the column of labels, or a file with one label a row.

    Raises:
        CoresetError: whatever opening raises.
    """
    data = open_dataset(paths, ids=ids)
    labels = find_labels(data.columns, len(data.ids), label, data.path)
    return Pictures(data=data, column=column or "image", labels=labels)


def record_of(
    pictures: Pictures, progress: Callable[[int, int], None] = lambda done, total: None
) -> InputRecord:
    """Read all images once for the digest over stored bytes, ids and labels.

    Args:
        pictures: what to read.
        progress: called with rows done and rows in all.
    """
    digest = sha256(f"{len(pictures)} images\n".encode())
    for start, images in pictures.batches():
        for image in images:
            digest.update(sha256(image or b"").digest())
        progress(start + len(images), len(pictures))
    ids_digest = pictures.ids.digest()
    digest.update(ids_digest.encode())
    if pictures.labels is not None:
        digest.update(pictures.labels.digest().encode())
    return InputRecord(
        path=pictures.path,
        files=pictures.data.files,
        rows=len(pictures),
        width=0,
        dtype="image",
        content_digest=digest.hexdigest(),
        ids_digest=ids_digest,
        row_number_ids=pictures.ids.is_row_number,
    )


def _encoded(column: pa.Array) -> list[bytes | None]:
    """Stored bytes of a column of Hugging Face images, or of plain binaries."""
    values = column.field("bytes") if pa.types.is_struct(column.type) else column
    return [None if value is None else bytes(value) for value in values.to_pylist()]
