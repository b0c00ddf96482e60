"""Images one small batch at a time: damaged ones become PNG, the others keep their bytes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.corruption import CLEAN_LABEL
from coreset_cli.artifacts.image_rows import IMAGE
from coreset_cli.artifacts.manifest import MANIFEST_KEY, Manifest
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.io.parquet import write_batches

__all__ = ["Damage", "DamagedPictures"]

Damage = Callable[[NDArray[np.int64], list[bytes | None]], list[bytes | None]]
"""Takes row numbers and stored images; gives back the same objects, and new ones where it hits."""

PIECE_BYTES = 1 << 20
"""Stored images of a piece: noise makes a PNG of twenty times the bytes of a JPEG."""

FEATURES = b"huggingface"
"""Key under which Hugging Face keeps what columns mean: images, and the names of classes."""


@dataclass(frozen=True, kw_only=True)
class DamagedPictures:
    """Images and what lies beside them, after damage.

    Args:
        pictures: the input.
        names: its columns that travel, beside the image.
        replaced: [n] columns instead of those of the input, or behind them.
        damages: what is done to the images.
        label: column of labels, where there is one.
    """

    pictures: Pictures
    names: tuple[str, ...]
    replaced: Mapping[str, pa.Array]
    damages: Sequence[Damage]
    label: str | None

    def write(
        self, path: Path, describe: Callable[[], Manifest], progress: Callable[[int, int], None]
    ) -> None:
        """Read, damage and write; the file is whole or absent.

        Args:
            path: where to.
            describe: the manifest.
            progress: called with rows done and rows in all.

        Raises:
            CoresetError: an image to be damaged cannot be read, or the disk is full.
        """
        found = self.pictures.data.scan([self.pictures.column, *self.names])
        first = next(found)
        schema = self._schema(first.schema)
        metadata = {**(schema.metadata or {}), MANIFEST_KEY: describe().to_json().encode()}
        schema = schema.with_metadata(metadata)
        batches = self._batches(chain([first], found), schema, progress)
        write_batches(path, pa.RecordBatchReader.from_batches(schema, batches))

    def _schema(self, source: pa.Schema) -> pa.Schema:
        """The image, the columns of the input and what comes behind, with their meaning."""
        fields = [pa.field(self.pictures.column, IMAGE)]
        for name in [*self.names, *(n for n in self.replaced if n not in self.names)]:
            kept = name not in self.replaced
            fields.append(source.field(name) if kept else pa.field(name, self.replaced[name].type))
        metadata = dict(source.metadata or {})
        features = _features(metadata.get(FEATURES)) | {self.pictures.column: {"_type": "Image"}}
        if self.label in features:
            features[CLEAN_LABEL] = features[self.label]
        known = {field.name for field in fields}
        info = {"info": {"features": {n: f for n, f in features.items() if n in known}}}
        return pa.schema(fields, {**metadata, FEATURES: json.dumps(info, ensure_ascii=False)})

    def _batches(
        self,
        found: Iterator[pa.RecordBatch],
        schema: pa.Schema,
        progress: Callable[[int, int], None],
    ) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in found:
            step = max(1, PIECE_BYTES * batch.num_rows // max(1, batch.nbytes))
            for offset in range(0, batch.num_rows, step):
                piece = batch.slice(offset, step)
                yield self._damaged(piece, start, schema)
                start += piece.num_rows
                progress(start, len(self.pictures))

    def _damaged(self, piece: pa.RecordBatch, start: int, schema: pa.Schema) -> pa.RecordBatch:
        columns = [self._images(piece.column(self.pictures.column), start)]
        for field in list(schema)[1:]:
            if field.name in self.replaced:
                columns.append(self.replaced[field.name].slice(start, piece.num_rows))
            else:
                columns.append(piece.column(field.name))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _images(self, column: pa.Array, start: int) -> pa.Array:
        stored = column.to_pylist()
        if not pa.types.is_struct(column.type):
            stored = [None if value is None else {"bytes": value} for value in stored]
        before = [None if image is None else image["bytes"] for image in stored]
        after, rows = before, np.arange(start, start + len(stored))
        for damage in self.damages:
            after = damage(rows, after)
        for place, image in enumerate(after):
            if image is not before[place]:
                stored[place] = {"bytes": image, "path": _png_name(stored[place].get("path"))}
        return pa.array(stored, IMAGE)


def _png_name(path: str | None) -> str | None:
    place = PurePosixPath(path or "")
    return str(place.with_suffix(".png")) if place.name else path


def _features(text: bytes | None) -> dict[str, object]:
    """What the columns of the input mean; nothing where that is not said, or not readable."""
    try:
        features = json.loads(text or b"null")["info"]["features"]
    except (ValueError, TypeError, KeyError):
        return {}
    return dict(features) if isinstance(features, dict) else {}
