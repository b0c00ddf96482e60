"""Samples that are plain arrays of bytes: IDX files, digits, the sets that torchvision knows.

Images leave as PNG, encoded when they are read, so that whatever comes next sees files.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import NO_COLUMNS, Columns, columns_in_memory
from coreset_cli.artifacts.ids import Ids, row_numbers
from coreset_cli.artifacts.image_rows import IMAGE, image_batch, image_schema, owners
from coreset_cli.errors import IdMismatch, SchemaMismatch
from coreset_cli.io.idx import open_idx
from coreset_cli.io.image import encode_png
from coreset_cli.io.matrix import BLOCK_BYTES

__all__ = ["ArrayData", "Raster", "join_rasters", "open_idx_pair"]

IDX_IMAGES = re.compile(r"images([-.])idx3")
"""What names a file of images; its labels lie beside it under the name with `labels` and `idx1`."""


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Images of one size, and their labels.

    Args:
        file: where they come from.
        values: [n, h, w] or [n, h, w, 3] from 0 to 255, perhaps mapped.
        labels: [n] class numbers, none where there are no labels.
    """

    file: str
    values: NDArray[np.uint8]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.values)


@dataclass(frozen=True, kw_only=True)
class ArrayData:
    """Images of one or more arrays; ids are row numbers.

    Args:
        path: as the user typed it.
        files: what it stands for, in the order read.
        ids: the row numbers.
        columns: `label`, where there are labels.
        parts: the images.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    columns: Columns
    parts: tuple[Raster, ...]
    warnings: tuple[str, ...] = ()

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on."""
        yield from self._batches(np.arange(start, len(self.ids)), names)

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """Image and, where there is one, label."""
        names = ["image", *self.columns.names]
        return pa.RecordBatchReader.from_batches(self._schema(names), self._batches(rows, names))

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of the pixels."""
        return len(rows) * max(part.values[0].size for part in self.parts)

    def _schema(self, names: Sequence[str]) -> pa.Schema:
        kinds = {"id": pa.int64(), "image": IMAGE, "label": pa.int64()}
        return image_schema({name: kinds[name] for name in names})

    def _batches(self, rows: NDArray[np.int64], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = self._schema(names)
        step = max(1, BLOCK_BYTES // max(1, self.size(rows[:1])))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            values: dict[str, Sequence[object]] = {"id": some.tolist()}
            if "image" in names:
                values["image"] = [
                    {"bytes": encode_png(part.values[row]), "path": None}
                    for part, row in owners(self.parts, some)
                ]
            if "label" in names:
                values["label"] = self.columns.read("label").take(pa.array(some)).to_pylist()
            yield image_batch(values, schema)


def join_rasters(path: str, parts: Sequence[Raster]) -> ArrayData:
    """Several arrays as one input, their rows numbered through.

    Args:
        path: as the user typed it.
        parts: at least one.

    Raises:
        SchemaMismatch: labels for some parts only: the rest would lose them in silence.
    """
    labels = [part.labels for part in parts if part.labels is not None]
    if labels and len(labels) < len(parts):
        lacking = next(part.file for part in parts if part.labels is None)
        raise SchemaMismatch(f"{lacking} has no labels beside it, other inputs have; add them")
    columns = (
        columns_in_memory(pa.table({"label": np.concatenate(labels)})) if labels else NO_COLUMNS
    )
    return ArrayData(
        path=path,
        files=tuple(part.file for part in parts),
        ids=row_numbers(sum(map(len, parts))),
        columns=columns,
        parts=tuple(parts),
    )


def open_idx_pair(path: Path) -> Raster:
    """Images of an IDX file, with the labels that lie beside it under the name of its family.

    Raises:
        ArtifactError: a file is not what it should be, or there are more or fewer labels.
    """
    values = open_idx(path)
    if values.ndim not in {3, 4} or values.shape[3:] not in {(), (1,), (3,)}:
        raise SchemaMismatch(
            f"{path} holds an array of shape {list(values.shape)}; images are [n, h, w] or "
            "[n, h, w, 3]; name the file of images, its labels are found beside it"
        )
    beside = _labels_beside(path)
    if beside is None:
        return Raster(file=str(path), values=values, labels=None)
    labels = open_idx(beside)
    if labels.ndim != 1:
        raise SchemaMismatch(f"{beside} holds shape {list(labels.shape)}; labels are one number")
    if len(labels) != len(values):
        raise IdMismatch(
            f"{beside} has {len(labels)} labels, {path} has {len(values)} images; fetch both again"
        )
    return Raster(file=str(path), values=values, labels=labels.astype(np.int64))


def _labels_beside(path: Path) -> Path | None:
    stem = path.name.removesuffix(".gz")
    name = IDX_IMAGES.sub(r"labels\1idx1", stem)
    if name == stem:
        return None
    found = (path.with_name(name + suffix) for suffix in ("", ".gz"))
    return next((file for file in found if file.is_file()), None)
