"""The pictures of an evaluation on the device: decoded once, every model trained on a part of them.

A synthetic set brings its own statistics and size; what judges its models is seen the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.evaluation.learned import Learned
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.learned import learned_images

__all__ = ["Stock"]

FIRST = 64
"""Images looked at to know what the others are like, for estimates."""


@dataclass
class Stock:
    """Pictures to train on and to be judged by, decoded when they are asked for.

    Args:
        data: training and test file, both of images.
        device: where pictures go.
    """

    data: Data
    device: torch.device
    notes: tuple[str, ...] = field(default=(), init=False)
    _sources: dict[str | None, Images] = field(default_factory=dict, init=False)
    _tests: dict[torch.Size, Images] = field(default_factory=dict, init=False)

    def fill(self, draws: Sequence[Draw], decoding: Callable[[int, int], None]) -> None:
        """Decode what these draws are of, and the test images in each size among them.

        Args:
            draws: to train on.
            decoding: told of images decoded, and all.
        """
        self._sources, self._tests, self.notes = {}, {}, ()
        test = self.data.test
        assert isinstance(test, Pictures)
        for draw in draws:
            name = _source(draw)
            if name in self._sources:
                continue
            images = self._opened(draw.learned or self.data.own, decoding)
            self._sources[name] = images
            channels, height, width = shape = images.pixels.shape[1:]
            if shape in self._tests:
                continue
            found = load_pixels(test, channels=channels, size=(height, width), progress=decoding)
            self.notes += found.notes
            self._tests[shape] = images_of(
                found.values, self.data.target, like=images, device=self.device
            )

    def taken(
        self, draw: Draw, rows: NDArray[np.int64], weights: NDArray[np.float64] | None
    ) -> Images:
        """What a model trains on.

        Args:
            draw: what it is trained on.
            rows: [k] of the draw, in any order.
            weights: [k] of these rows.
        """
        parts = self.parts(draw)
        pictures = (parts * rows[:, None] + np.arange(parts)).ravel()
        images = self._sources[_source(draw)].take(pictures)
        if draw.support is not None:
            support = torch.from_numpy(np.repeat(np.isin(rows, draw.support), parts))
            images = replace(images, support=support.to(self.device))
        if weights is None:
            return images
        repeated = torch.from_numpy(np.repeat(weights, parts)).float()
        return replace(images, weights=repeated.to(self.device))

    def tests_for(self, images: Images) -> Images:
        """All test images in the size and under the statistics of these."""
        return replace(self._tests[images.pixels.shape[1:]], mean=images.mean, std=images.std)

    def parts(self, draw: Draw) -> int:
        """Pictures of each row."""
        return self.data.pictures_a_row if draw.learned is None else draw.learned.parts

    @cached_property
    def first(self) -> Images:
        """The first images, in the size and channels most of them have."""
        if self.data.own is not None:
            return self._opened(self.data.own, lambda done, total: None)
        train = self.data.train
        assert isinstance(train, Pictures)
        rows = np.arange(min(FIRST, len(train)))
        values = load_pixels(train, channels=None, size=None, rows=rows).values
        return images_of(values, self.data.labels.codes[rows], device=self.device)

    @property
    def shapes(self) -> set[tuple[int, ...]]:
        """Channels, height and width of all that models train on."""
        return {tuple(self.first.pixels.shape[1:]), *(learned.shape for learned in self._sets)}

    def most(self, k: int) -> int:
        """Pictures of the largest model, where none has more than k training rows."""
        return max([self.data.pictures_a_row * k, *(len(s) * s.parts for s in self._sets)])

    def memory(self, k: int) -> int:
        """Bytes of all pictures, and of those of k training rows, or of a synthetic set, again."""
        tests = len(self.data.test.ids) * sum(int(np.prod(shape)) for shape in self.shapes)
        learned = 2 * sum(learned.pictures_bytes for learned in self._sets)
        if self.data.own is not None:
            return learned + tests
        return learned + tests + (self.data.n + k) * self.first.pixels[0].numel()

    @property
    def _sets(self) -> list[Learned]:
        """All synthetic sets."""
        own = [] if self.data.own is None else [self.data.own]
        return [*own, *self.data.learned.values()]

    def _opened(self, learned: Learned | None, decoding: Callable[[int, int], None]) -> Images:
        """All pictures of a synthetic set, or of the training file."""
        if learned is not None:
            return learned_images(learned.synthetic, learned.codes, device=self.device)
        train = self.data.train
        assert isinstance(train, Pictures)
        found = load_pixels(train, channels=None, size=None, progress=decoding)
        self.notes += found.notes
        return images_of(found.values, self.data.labels.codes, device=self.device)


def _source(draw: Draw) -> str | None:
    """Which pictures a draw is of: none for the training file, else the digest of the set."""
    return None if draw.learned is None else draw.digest
