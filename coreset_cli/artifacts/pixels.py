"""Images decoded into one array of the same size and channels."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.errors import ArtifactIncomplete, BrokenImage
from coreset_cli.io.image import decode, pixels, read_header

__all__ = ["Pixels", "load_pixels"]

THREADS = min(8, os.cpu_count() or 1)

GROUP = 64
"""Images a thread decodes at a time: handing them out one by one costs as much as a small one."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Decoded images; row i is the i-th row asked for.

    Args:
        values: [n, h, w, c] from 0 to 255.
        notes: what was changed for all to be alike.
    """

    values: NDArray[np.uint8]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Shape:
    """What all images come to: [height, width, channels]."""

    height: int
    width: int
    channels: int


def load_pixels(
    pictures: Pictures,
    *,
    channels: int | None,
    size: tuple[int, int] | None,
    rows: NDArray[np.int64] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pixels:
    """Decode images on a few threads; images of another size are resized, and that is noted.

    Args:
        pictures: where they are.
        channels: 1 for grey, 3 for colour, none for what they have: grey if all are.
        size: height and width, none for the most common (of equally many, the smaller).
        rows: [k] distinct rows in the order wanted, none for all.
        progress: called with images decoded, and all.

    Raises:
        ArtifactIncomplete: there are no images, or one cannot be decoded.
    """
    n = len(pictures) if rows is None else len(rows)
    if n == 0:
        raise ArtifactIncomplete(f"{pictures.path} holds no images; name data that does")
    with ThreadPoolExecutor(THREADS) as pool:
        load = _Loader(pictures, rows, pool)
        if channels is None or size is None:
            shape = _common_shape(load, channels, size)
        else:
            shape = _Shape(*size, channels)
        values = np.empty((n, shape.height, shape.width, shape.channels), np.uint8)
        resized = greyed = 0
        for first, done in load.each(partial(_decoded, shape)):
            for row, (image, was_resized, was_greyed) in enumerate(done, first):
                values[row] = image
                resized += was_resized
                greyed += was_greyed
            progress(first + len(done), n)
    return Pixels(values=values, notes=_notes(pictures.path, n, shape, resized, greyed))


@dataclass(frozen=True)
class _Loader:
    """Calls a function with each image, on threads.

    Args:
        pictures: where the images are.
        rows: [k] rows in the order wanted, none for all.
        pool: the threads.
    """

    pictures: Pictures
    rows: NDArray[np.int64] | None
    pool: ThreadPoolExecutor

    def each(self, work: Callable[[bytes | None], T]) -> Iterator[tuple[int, list[T]]]:
        """The place of the first of some images, and what came of them; all in order.

        Raises:
            ArtifactIncomplete: an image cannot be decoded.
        """
        batches = (
            (images for _, images in self.pictures.batches())
            if self.rows is None
            else self.pictures.take(self.rows)
        )
        first = 0
        for images in batches:
            groups = range(first, first + len(images), GROUP)
            parts = [images[start - first : start - first + GROUP] for start in groups]
            done = self.pool.map(partial(self._group, work), groups, parts)
            yield from zip(groups, done, strict=True)
            first += len(images)

    def _group(
        self, work: Callable[[bytes | None], T], first: int, images: Sequence[bytes | None]
    ) -> list[T]:
        done: list[T] = []
        for place, image in enumerate(images, first):
            try:
                done.append(work(image))
            except BrokenImage as error:
                row = place if self.rows is None else int(self.rows[place])
                name = self.pictures.ids.values[row].as_py()
                raise ArtifactIncomplete(
                    f"{self.pictures.path}: the image of row {row} (id {name!r}) cannot be read: "
                    f"{error}; write it again, or leave the row out"
                ) from error
        return done


def _common_shape(load: _Loader, channels: int | None, size: tuple[int, int] | None) -> _Shape:
    """The shape that most images have, from their headers, where it was not asked for."""
    sizes: Counter[tuple[int, int]] = Counter()
    most = 1
    for _, headers in load.each(read_header):
        sizes.update((header.height, header.width) for header in headers)
        most = max(most, *(header.channels for header in headers))
    height, width = size or min(sizes, key=lambda found: (-sizes[found], found))
    return _Shape(height, width, channels or most)


def _decoded(shape: _Shape, data: bytes | None) -> tuple[NDArray[np.uint8], bool, bool]:
    """Pixels of an image, whether it was resized, and whether it lost its colour."""
    image = decode(data)
    is_greyed = shape.channels == 1 and image.mode == "RGB"
    if image.size == (shape.width, shape.height):
        return pixels(image, shape.channels), False, is_greyed
    image = image.resize((shape.width, shape.height), Image.Resampling.BICUBIC)
    return pixels(image, shape.channels), True, is_greyed


def _notes(path: str, n: int, shape: _Shape, resized: int, greyed: int) -> tuple[str, ...]:
    notes = []
    if resized:
        notes.append(
            f"{path}: {resized} of {n} images were resized to {shape.height}×{shape.width}"
        )
    if greyed:
        notes.append(f"{path}: {greyed} of {n} images have colour and were made grey")
    return tuple(notes)
