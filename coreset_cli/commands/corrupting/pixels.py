"""Damage to one image at a time, each from a stream of random numbers of its own."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.corruption import Mark
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.corruption.images import ImageOptions, corrupt_pixels, generator
from coreset_cli.errors import ArtifactIncomplete, BrokenImage, InvalidParameter
from coreset_cli.io.image import decode, encode_png, pixels
from coreset_cli.seeds import Rng

__all__ = ["PixelDamage", "name_of_row", "values_of"]

THREADS = min(8, os.cpu_count() or 1)

GROUP = 64
"""Images a thread damages at a time: handing them out one by one costs as much as a small one."""


class PixelDamage:
    """The kinds of `--images` that look at nothing but the image.

    Args:
        pictures: the input.
        marks: rows of each kind.
        seed: of the run.
        options: parameters of the kinds.
    """

    def __init__(
        self, pictures: Pictures, marks: Sequence[Mark], seed: int, options: ImageOptions
    ) -> None:
        self.pictures = pictures
        self.options = options
        self.kinds = [mark.kind for mark in marks]
        self._kind = np.zeros(len(pictures), np.int8)  # 0 stays as it is, 1 is the first kind
        self._word = np.zeros(len(pictures), np.uint64)
        key = pictures.ids.key()
        for number, mark in enumerate(marks, 1):
            self._kind[mark.rows] = number
            self._word[mark.rows] = Rng(seed).draws(f"corrupt {mark.kind}", key.take(mark.rows))

    def __call__(
        self, rows: NDArray[np.int64], images: Sequence[bytes | None]
    ) -> list[bytes | None]:
        """Damage those of some images that are to be damaged.

        Raises:
            ArtifactIncomplete: one of them cannot be read.
            InvalidParameter: the profile is not defined for one of them.
        """
        after = list(images)
        hit = np.flatnonzero(self._kind[rows]).tolist()
        parts = [hit[first : first + GROUP] for first in range(0, len(hit), GROUP)]

        def damage(places: list[int]) -> list[bytes]:
            return [self._one(int(rows[place]), images[place]) for place in places]

        with ThreadPoolExecutor(THREADS) as pool:
            for places, made in zip(parts, pool.map(damage, parts), strict=True):
                for place, image in zip(places, made, strict=True):
                    after[place] = image
        return after

    def _one(self, row: int, image: bytes | None) -> bytes:
        values = values_of(self.pictures, row, image)
        random = generator(int(self._word[row]))
        kind = self.kinds[self._kind[row] - 1]
        try:
            return encode_png(corrupt_pixels(values, kind, random, self.options))
        except InvalidParameter as error:
            raise InvalidParameter(f"{name_of_row(self.pictures, row)}: {error}") from error


def name_of_row(pictures: Pictures, row: int) -> str:
    """File, row and id, as messages name them."""
    return f"{pictures.path}: row {row} (id {pictures.ids.values[row].as_py()!r})"


def values_of(pictures: Pictures, row: int, image: bytes | None) -> NDArray[np.uint8]:
    """[h, w, c] pixels of a stored image, c = 1 for grey ones and 3 for others.

    Args:
        pictures: the input, for the message.
        row: of the image.
        image: as stored.

    Raises:
        ArtifactIncomplete: it cannot be read; file, row, id and remedy are named.
    """
    try:
        found = decode(image)
    except BrokenImage as error:
        raise ArtifactIncomplete(
            f"{name_of_row(pictures, row)} was drawn to be damaged and cannot be read: {error}; "
            "write it again, or drop the row"
        ) from error
    return pixels(found, 1 if found.mode == "L" else 3)
