"""Attacks on images: the kinds of `--images` that look at a trained network."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.corruption import Mark
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.commands.corrupting.pixels import name_of_row, values_of
from coreset_cli.corruption.attacks import Attack, attack_images
from coreset_cli.device import find_device
from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.image import encode_png
from coreset_cli.seeds import Rng
from coreset_cli.training.checkpoint import load_checkpoint

__all__ = ["AttackDamage"]

STAYS = -1
"""Class, among those of the network, of a label that it does not know."""


class AttackDamage:
    """One attack on its rows.

    Args:
        pictures: the input.
        mark: the attack and its rows.
        seed: of the run.
        settings: of the attack.
        checkpoint: the network.
        device: where it computes.
    """

    def __init__(
        self,
        pictures: Pictures,
        mark: Mark,
        *,
        seed: int,
        settings: Attack,
        checkpoint: Path,
        device: str,
    ) -> None:
        network, self.card = load_checkpoint(checkpoint)
        self.network = network.to(find_device(device))
        self.pictures, self.settings, self.kind = pictures, settings, mark.kind
        self._hit = np.zeros(len(pictures), bool)
        self._hit[mark.rows] = True
        self._word = np.zeros(len(pictures), np.uint64)
        key = pictures.ids.key().take(mark.rows)
        self._word[mark.rows] = Rng(seed).draws(f"corrupt {mark.kind}", key)
        self._codes = self._classes(mark.rows, checkpoint) if self.needs_classes else None

    @property
    def needs_classes(self) -> bool:
        """Whether the labels decide what the attack does."""
        return self.settings.needs_classes(self.kind)

    def __call__(
        self, rows: NDArray[np.int64], images: Sequence[bytes | None]
    ) -> list[bytes | None]:
        """Attack those of some images that are to be attacked.

        Raises:
            ArtifactIncomplete: one of them cannot be read.
            SchemaMismatch: one is not of the size, or has colour that the network does not see.
        """
        after = list(images)
        places = np.flatnonzero(self._hit[rows]).tolist()
        values = {place: self._pixels(int(rows[place]), images[place]) for place in places}
        by_shape = sorted(places, key=lambda place: values[place].shape)
        for _, group in groupby(by_shape, key=lambda place: values[place].shape):
            alike = list(group)
            mine = rows[alike]
            attacked = attack_images(
                self.network,
                self.card,
                np.stack([values[place] for place in alike]),
                None if self._codes is None else self._codes[mine],
                self.kind,
                self.settings,
                self._word[mine],
            )
            for place, made in zip(alike, attacked, strict=True):
                after[place] = encode_png(made)
        return after

    def _classes(self, rows: NDArray[np.int64], checkpoint: Path) -> NDArray[np.int64]:
        """[n] the true class of each row, as a place in the card's list.

        Raises:
            SchemaMismatch: the network does not know the label of a row that is attacked.
        """
        labels = require_labels(self.pictures)
        places = {name: place for place, name in enumerate(self.card.classes)}
        known = np.array([places.get(name, STAYS) for name in labels.names], np.int64)
        codes = known[labels.codes]
        foreign = np.sort(rows[codes[rows] == STAYS])
        if len(foreign):
            name = labels.names[labels.codes[foreign[0]]]
            raise SchemaMismatch(
                f"{name_of_row(self.pictures, foreign[0])} has label {name}, which is none of the "
                f"{len(self.card.classes)} classes of {checkpoint} "
                f"({', '.join(self.card.classes[:5])}, …); name the labels it was trained on with "
                "--label, or --set label=predicted"
            )
        return codes

    def _pixels(self, row: int, image: bytes | None) -> NDArray[np.uint8]:
        values = values_of(self.pictures, row, image)
        height, width, channels = values.shape
        if max(height, width) != self.card.size or channels > self.card.channels:
            colour = {1: "grey", 3: "colour"}
            raise SchemaMismatch(
                f"{name_of_row(self.pictures, row)} has {height}×{width} pixels in "
                f"{colour[channels]}, and the network was trained on images of {self.card.size} "
                f"pixels in {colour[self.card.channels]}; convert them alike"
            )
        return np.repeat(values, self.card.channels // channels, axis=2)
