"""Synthetic sets among the inputs: trained on instead of rows of the training file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.synthetic import (
    Synthetic,
    content_digest,
    is_synthetic,
    read_synthetic,
)
from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io.digest import lines_digest
from coreset_cli.training.formation import parts, require_factor

__all__ = ["Learned", "open_learned", "open_learned_all", "refuse_synthetic"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A synthetic set as a result, or as the training file.

    Args:
        path: as the user typed it.
        synthetic: the set.
        codes: [m] class of each image among the training classes.
    """

    path: str
    synthetic: Synthetic
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        """Images as they are stored."""
        return len(self.codes)

    @property
    def factor(self) -> int:
        """Pictures along each side of an image."""
        return self.synthetic.factor

    @property
    def parts(self) -> int:
        """Pictures that each image is decoded to."""
        return parts(self.factor)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, c, h, w = self.synthetic.pixels.shape
        return c, h, w

    @property
    def pictures_bytes(self) -> int:
        """Bytes of all pictures, in float32."""
        return self.parts * self.synthetic.pixels.nbytes

    @cached_property
    def record(self) -> InputRecord:
        """What a report says of it."""
        return InputRecord(
            path=self.path,
            files=(self.path,),
            rows=len(self),
            width=self.synthetic.pixels[0].size,
            dtype="float32",
            content_digest=content_digest(self.synthetic),
            ids_digest=lines_digest(map(str, range(len(self)))),
            row_number_ids=False,
        )


def open_learned(path: str, labels: Labels | None, of: str) -> Learned | None:
    """A synthetic set, where the file is one.

    Args:
        path: any input.
        labels: whose classes it is trained for, joined by their texts; none for its own.
        of: the file of those labels, for messages.

    Raises:
        SchemaMismatch: a class that the labels lack.
        CoresetError: whatever reading raises.
    """
    place = Path(path)
    if not place.is_file() or not is_synthetic(place):
        return None
    found = read_synthetic(place)
    require_factor(found.factor, size=(found.pixels.shape[2], found.pixels.shape[3]))
    if labels is None:
        return Learned(path=path, synthetic=found, codes=found.codes)
    known = {name: code for code, name in enumerate(labels.names)}
    unknown = sorted({found.names[code] for code in np.unique(found.codes)} - known.keys())
    if unknown:
        raise SchemaMismatch(
            f"{path} has classes that {of} lacks ({', '.join(unknown[:5])}"
            f"{', …' if len(unknown) > 5 else ''}); give the data it was distilled from with "
            "--train, and its labels with --label"
        )
    places = np.array([known.get(name, -1) for name in found.names], np.int64)
    return Learned(path=path, synthetic=found, codes=places[found.codes])


def open_learned_all(
    paths: Sequence[Path], labels: Labels, of: str, *, trains_networks: bool
) -> Mapping[Path, Learned]:
    """The synthetic sets among the results; index lists are left out.

    Args:
        paths: of the results.
        labels: of the training file.
        of: that file, for messages.
        trains_networks: else the linear model is trained.

    Raises:
        InvalidParameter: the model is no network.
        CoresetError: whatever opening one raises.
    """
    if not trains_networks:
        for path in paths:
            refuse_synthetic(str(path))
        return {}
    found = {path: open_learned(str(path), labels, of) for path in paths}
    return {path: learned for path, learned in found.items() if learned is not None}


def refuse_synthetic(path: str, *, as_test: bool = False) -> None:
    """Stop where a synthetic set is no input.

    Args:
        path: any input.
        as_test: it would judge models; else it would train the linear one.

    Raises:
        InvalidParameter: it is one.
    """
    place = Path(path)
    if not place.is_file() or not is_synthetic(place):
        return
    if as_test:
        raise InvalidParameter(
            f"{path} is a synthetic set, and models are judged by real images; give held-out ones "
            "with --test"
        )
    raise InvalidParameter(
        f"{path} is a synthetic set of images, and the linear model trains on vectors; name a "
        "network with --model, as in --model convnet"
    )
