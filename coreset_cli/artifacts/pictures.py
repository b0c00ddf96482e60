"""Samples that are images, with their ids, labels and scalar columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.arrays import Raster, join_rasters
from coreset_cli.artifacts.columns import Columns, find_labels
from coreset_cli.artifacts.content import Content, sample_hash
from coreset_cli.artifacts.dataset import Dataset, open_dataset
from coreset_cli.artifacts.digits import digit_images
from coreset_cli.artifacts.embeddings import name_of
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.linked import is_binary, is_image_struct
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.errors import InvalidParameter, SchemaMismatch

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
        """Scalar columns beside the image."""
        found = self.data.columns
        names = tuple(name for name in found.names if name != self.column)
        return Columns(names, found.read)

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
    root: Path | None = None,
) -> Pictures:
    """Open images wherever they are; none is read yet.

    Args:
        paths: a file, a folder, tar shards, or a name; several files are one input.
        column: the column of images; none for the only one, or the one called `image` or `img`.
        ids: the column of ids.
        label: the column of labels, or a file with one label a row.
        root: where data sets known by name lie; none for their default folder.

    Raises:
        CoresetError: whatever opening raises.
    """
    if "-" in paths:
        raise InvalidParameter("images are not read from stdin; name a file, a folder or shards")
    if any(path.startswith("digits:") for path in paths):
        data: Dataset = _open_digits(paths, ids)
    else:
        data = open_dataset(paths, ids=ids, root=root)
    labels = find_labels(data.columns, len(data.ids), label, data.path)
    return Pictures(data=data, column=_image_column(data, column), labels=labels)


def record_of(
    pictures: Pictures, progress: Callable[[int, int], None] = lambda done, total: None
) -> InputRecord:
    """Read all images once for the digest over stored bytes, ids and labels.

    Args:
        pictures: what to read.
        progress: called with rows done and rows in all.
    """
    content = Content(len(pictures), "image")
    for start, images in pictures.batches():
        content.add([sample_hash(image) for image in images])
        progress(start + len(images), len(pictures))
    return content.record(pictures, pictures.data.files)


def _encoded(column: pa.Array) -> list[bytes | None]:
    """Stored bytes of a column of Hugging Face images, or of plain binaries."""
    # The field alone would tell an image that is null from its bytes, which may be anything.
    values = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    return [None if value is None else bytes(value) for value in values.to_pylist()]


def _open_digits(paths: Sequence[str], ids: str | None) -> Dataset:
    """The digits as images; elsewhere they are vectors."""
    others = [path for path in paths if not path.startswith("digits:")]
    if others or ids is not None:
        raise InvalidParameter(
            f"{others[0]} is no part of the digits; name one kind of input at a time"
            if others
            else f"{paths[0]} has no columns; leave --id out, ids are row numbers"
        )
    parts = []
    for path in paths:
        values, labels = digit_images(path)
        parts.append(Raster(file=path, values=values, labels=labels))
    return join_rasters(name_of(paths), parts)


def _image_column(data: Dataset, named: str | None) -> str:
    """The column named, else the only one that can hold images, else `image` or `img`.

    Raises:
        InvalidParameter: no such column, or several that could be meant.
        SchemaMismatch: no images.
    """
    if isinstance(data, VectorData):
        raise SchemaMismatch(
            f"{data.path} holds vectors; name images: Parquet with a column of them, a folder, "
            "tar shards, IDX files, or a data set by name"
        )
    if not isinstance(data, TableData):
        if named not in {None, "image"}:
            raise InvalidParameter(f"{data.path} has no column '{named}'; leave --column out")
        return "image"
    kinds = {field.name: field.type for field in data.schema}
    listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    structs = [name for name, kind in kinds.items() if is_image_struct(kind)]
    blobs = [name for name, kind in kinds.items() if is_binary(kind)]
    if named is not None:
        if named not in kinds:
            raise InvalidParameter(f"{data.path} has no column '{named}'; it has {listed}")
        if named not in structs + blobs:
            raise SchemaMismatch(
                f"{data.path}: column '{named}' is {kinds[named]}; images are binary, or a "
                "struct with binary 'bytes'"
            )
        return named
    found = structs or blobs
    if not found:
        raise SchemaMismatch(
            f"{data.path} has no column of images (binary, or a struct with 'bytes'); it has "
            f"{listed}"
        )
    preferred = [name for name in ("image", "img") if name in found]
    if len(found) > 1 and not preferred:
        raise InvalidParameter(
            f"{data.path} has several columns that may be images ({', '.join(found)}); name one "
            "with --column"
        )
    return preferred[0] if preferred else found[0]
