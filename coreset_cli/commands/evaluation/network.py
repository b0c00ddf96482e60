"""Networks on images, from random weights, one a seed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.signals import Signals, write_signals
from coreset_cli.commands.evaluation.cache import Outcome
from coreset_cli.commands.evaluation.data import Data
from coreset_cli.commands.evaluation.draws import Draw
from coreset_cli.commands.evaluation.stock import Stock
from coreset_cli.commands.evaluation.trainer import Wanted
from coreset_cli.commands.select import Watch
from coreset_cli.errors import NotFinite
from coreset_cli.training.batches import Images
from coreset_cli.training.checkpoint import Card, save_checkpoint
from coreset_cli.training.crossfit import held_out_logits
from coreset_cli.training.folds import stratified_folds
from coreset_cli.training.footprint import footprint
from coreset_cli.training.loop import Trained, diverged, train
from coreset_cli.training.networks import Network, NetworkSpec, build
from coreset_cli.training.recipe import NetworkRecipe
from coreset_cli.training.record import Recorder
from coreset_cli.training.support import steps_an_epoch

__all__ = ["NetworkTrainer"]

STEPS = 3
"""Steps that are timed for an estimate, after one that is not."""


@dataclass
class NetworkTrainer:
    """A network from random weights, one a seed.

    Args:
        data: training and test file, both of images.
        spec: the architecture.
        recipe: how it is trained.
        device: where.
        wanted: the model to keep, where one is.
    """

    data: Data
    spec: NetworkSpec
    recipe: NetworkRecipe
    device: torch.device
    wanted: Wanted | None
    draws: bool = field(default=True, init=False)

    @property
    def name(self) -> str:
        """The architecture and its settings."""
        return self.spec.text

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed for all images to be alike."""
        return self._stock.notes

    @property
    def context(self) -> Mapping[str, object]:
        """Network, recipe and the kind of device: bits differ between kinds."""
        recipe, device = asdict(self.recipe), self.device.type
        return {"model": self.spec.text, "recipe": recipe, "device": device}

    @property
    def versions(self) -> Mapping[str, str]:
        """Torch computes."""
        return {"torch": torch.__version__}

    def work(self, draw: Draw) -> int:
        """Steps of the optimiser, those of the networks that judge held-out rows included."""
        k, wanted = self._stock.parts(draw) * len(draw.rows), self.wanted
        if wanted is None or not (wanted.folds and self.is_wanted_whole(draw)):
            return self._steps(k, 0 if draw.support is None else len(draw.support))
        return self._steps(k) + wanted.folds * self._steps(k - k // wanted.folds)

    def memory(self, k: int) -> int:
        """Bytes of all images, of k of them again, of the weights and of a batch's activations."""
        images = self._stock.memory(k)
        if self.device.type == "cuda":
            return images
        batch = min(self.recipe.batch, self._stock.most(k))
        return images + max(self._footprint(shape, batch) for shape in self._stock.shapes)

    def workers(self, needed: int, limit: int, beside: int) -> int:
        """One after another: a model uses all of the device."""
        return 1

    def seconds(self, sizes: Sequence[int], at_once: int) -> float:
        """From a few measured steps."""
        return sum(map(self._steps, sizes)) * self._seconds_a_step

    def is_wanted_whole(self, draw: Draw) -> bool:
        """The checkpoint or the signals of this model are asked for."""
        wanted = self.wanted
        if wanted is None or (draw.weights is not None) != wanted.weighted:
            return False
        if (draw.support is not None) != wanted.roles:
            return False
        return (draw.digest, draw.seed) == (wanted.digest, wanted.seed)

    @contextmanager
    def ready(self, draws: Sequence[Draw], watch: Watch) -> Iterator[None]:
        """Decode all images that these are trained on, and those they are judged by."""
        self._stock.fill(draws, lambda done, total: watch("decoding", done, total))
        yield

    def train(
        self,
        draw: Draw,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        pulse: Callable[[int], None],
    ) -> Outcome:
        """Train and predict; the last epoch counts."""
        assert draw.seed is not None
        started = time.perf_counter()
        images = self._stock.taken(draw, rows, weights)
        network = self._built(images, seed=draw.seed).to(self.device)
        wanted = self.wanted if self.is_wanted_whole(draw) else None
        recorder = None
        if wanted is not None and wanted.record is not None:
            c = len(self.data.labels.names)
            recorder = Recorder(n=len(rows), classes=c, epochs=self.recipe.epochs)
        trained = train(
            network,
            images,
            self.recipe,
            seed=draw.seed,
            test=self._stock.tests_for(images),
            record=recorder,
            pulse=lambda done, total: pulse(done),
        )
        if not trained.finite:
            what = f"{self.name} gives NaN or Inf for test rows after its last step"
            raise NotFinite(diverged(what, self.recipe))
        if wanted is not None and wanted.model is not None:
            save_checkpoint(wanted.model, network, self._card(wanted, trained, images))
        if wanted is not None and wanted.record is not None and recorder is not None:
            done = self._steps(len(rows))
            held_out = self._held_out(wanted, images, rows, lambda more, total: pulse(done + more))
            write_signals(wanted.record, self._signals(wanted, recorder, rows, held_out))
        right = trained.best_predicted == self.data.target
        return Outcome(
            predicted=trained.predicted,
            converged=True,
            seconds=round(time.perf_counter() - started, 3),
            best_accuracy=float(right.mean()),
            best_epoch=trained.best_epoch,
        )

    @cached_property
    def _stock(self) -> Stock:
        return Stock(self.data, self.device)

    @cached_property
    def _seconds_a_step(self) -> float:
        """Measured on the first images."""
        first = self._stock.first
        rows = np.arange(self.recipe.batch * (STEPS + 1)) % len(first)
        ends: list[float] = []
        train(
            self._built(first, seed=0).to(self.device),
            first.take(rows),
            replace(self.recipe, epochs=1),
            seed=0,
            pulse=lambda done, total: ends.append(time.perf_counter()),
        )
        return (ends[-1] - ends[0]) / (len(ends) - 1)

    def _footprint(self, shape: tuple[int, ...], batch: int) -> int:
        """Bytes of the weights and of a batch's activations."""
        channels, *sides = shape
        with torch.device("meta"):
            network = self._fresh(channels, max(sides), seed=0)
        return footprint(network, batch, channels, max(sides))

    def _steps(self, k: int, support: int = 0) -> int:
        """Of one training on k pictures, of which some are support rows."""
        return self.recipe.epochs * steps_an_epoch(k, support, self.recipe)

    def _built(self, like: Images, *, seed: int) -> Network:
        """With random weights, for images of this shape."""
        channels, *sides = like.pixels.shape[1:]
        return self._fresh(channels, max(sides), seed=seed)

    def _fresh(self, channels: int, size: int, *, seed: int) -> Network:
        classes = len(self.data.labels.names)
        return build(self.spec, classes=classes, channels=channels, size=size, seed=seed)

    def _card(self, wanted: Wanted, trained: Trained, images: Images) -> Card:
        """What the checkpoint says of itself."""
        channels, height, width = images.pixels.shape[1:]
        last = trained.history[-1]
        return Card(
            network=self.spec.text,
            classes=self.data.labels.names,
            channels=channels,
            size=max(height, width),
            mean=tuple(images.mean.tolist()),
            std=tuple(images.std.tolist()),
            recipe=asdict(self.recipe),
            epoch=last.epoch,
            seed=wanted.seed,
            labels=wanted.label,
            train=asdict(wanted.train),
            facts={"rows": len(images), "test_accuracy": last.test_accuracy},
            shape=None if height == width else (height, width),
        )

    def _held_out(
        self,
        wanted: Wanted,
        images: Images,
        rows: NDArray[np.int64],
        pulse: Callable[[int, int], None],
    ) -> NDArray[np.float32] | None:
        """Logits of each row by a network that was not trained on it, where they are asked for."""
        if not wanted.folds:
            return None
        return held_out_logits(
            lambda seed: self._built(images, seed=seed).to(self.device),
            images,
            self.recipe,
            folds=stratified_folds(
                self.data.labels.codes[rows], self.data.train.ids.key().take(rows), wanted.folds
            ),
            seed=wanted.seed,
            pulse=pulse,
        )

    def _signals(
        self,
        wanted: Wanted,
        recorder: Recorder,
        rows: NDArray[np.int64],
        held_out: NDArray[np.float32] | None,
    ) -> Signals:
        """What training showed of these rows."""
        return recorder.signals(
            ids=self.data.train.ids.take(rows),
            labels=self.data.labels.take(rows),
            network=self.spec.text,
            recipe=asdict(self.recipe),
            seed=wanted.seed,
            train=asdict(wanted.train),
            held_out=held_out,
        )
