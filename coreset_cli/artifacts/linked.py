"""Images that a table names by their path instead of holding them: read from beside the file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.image_rows import portions
from coreset_cli.io.access import read_errors

__all__ = ["is_binary", "is_image_struct", "with_linked"]


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column of this type holds bytes."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def is_image_struct(kind: pa.DataType) -> bool:
    """Whether a column of this type holds images as Hugging Face keeps them."""
    return pa.types.is_struct(kind) and any(
        field.name == "bytes" and is_binary(field.type) for field in kind
    )


def with_linked(
    batches: Iterable[tuple[NDArray[np.int64], pa.RecordBatch]],
    folders: Callable[[NDArray[np.int64]], Sequence[Path]],
) -> Iterator[pa.RecordBatch]:
    """The same rows, with the bytes of the files that images name; in portions of a few megabytes.

    A path counts from the folder of the Parquet file and must stay below it: a table from
    elsewhere must not reach other files. Where there is no such file the image stays null.

    Args:
        batches: row numbers and rows.
        folders: for row numbers, the folder of the file that holds each.
    """
    for rows, batch in batches:
        linked = [name for name in batch.schema.names if _has_links(batch.column(name))]
        if not linked:
            yield batch
            continue
        places = [_places(batch.column(name), folders(rows)) for name in linked]
        sizes = [sum(map(_size, some)) for some in zip(*places, strict=True)]
        for part in portions(sizes):
            piece = batch.slice(part.start, part.stop - part.start)
            for name, some in zip(linked, places, strict=True):
                index = piece.schema.get_field_index(name)
                filled = _filled(piece.column(index), some[part])
                piece = piece.set_column(index, piece.schema.field(index), filled)
            yield piece


def _has_links(column: pa.Array) -> bool:
    if not (is_image_struct(column.type) and "path" in [field.name for field in column.type]):
        return False
    return pc.struct_field(column, "bytes").null_count > 0


def _places(column: pa.Array, folders: Sequence[Path]) -> list[Path | None]:
    """The file of each image that has no bytes, where there is one."""
    return [
        _beside(folder, image["path"])
        if image is not None and image["bytes"] is None and image["path"]
        else None
        for image, folder in zip(column.to_pylist(), folders, strict=True)
    ]


def _beside(folder: Path, path: str) -> Path | None:
    name = PurePosixPath(path)
    if name.is_absolute() or ".." in name.parts or "\0" in path:
        return None
    place = folder / name
    with read_errors(place):
        return place if place.is_file() else None


def _size(place: Path | None) -> int:
    return 0 if place is None else place.stat().st_size


def _filled(column: pa.Array, places: list[Path | None]) -> pa.Array:
    images = column.to_pylist()
    for image, place in zip(images, places, strict=True):
        if place is not None:
            with read_errors(place):
                image["bytes"] = place.read_bytes()
    return pa.array(images, column.type)
