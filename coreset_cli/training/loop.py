"""The one training loop of networks.

Cost: epochs · n passes forward and back, and one forward over the test rows at each look at them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from coreset_cli.errors import NotFinite
from coreset_cli.training.arithmetic import Arithmetic, arithmetic_of
from coreset_cli.training.augment import draw, epoch_generator, one_family, seen_by_tests
from coreset_cli.training.batches import Images, batches_of
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import NetworkRecipe
from coreset_cli.training.record import Recorder
from coreset_cli.training.schedule import learning_rate
from coreset_cli.training.structure import structure_loss
from coreset_cli.training.support import draw_mix, epoch_rows, mixed, steps_an_epoch

__all__ = ["EpochRecord", "Trained", "diverged", "logits_of", "train"]

TESTED_TOGETHER = 512
"""Rows of a forward pass that learns nothing."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """How one epoch went.

    Args:
        epoch: counted from 1.
        loss: what was minimised, mean over the epoch's rows, each under the parameters of its
            step, as augmented.
        train_accuracy: share of the epoch's rows predicted right, at the same moments.
        test_accuracy: share of the test rows, after the epoch, where they were looked at.
        learning_rate: of the epoch's last step.
        seconds: wall time, looking at the test rows included.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What training left, beside the network itself.

    Args:
        predicted: [t] class of each test row after the last epoch; empty without test rows.
        best_predicted: [t] after the best epoch. Chosen by looking at the test rows: an extra,
            never the headline.
        best_epoch: the first of highest test accuracy, counted from 1; 0 without test rows.
        history: one record an epoch.
        seconds: wall time of everything.
        finite: no test row has NaN or Inf among its last logits.
    """

    predicted: NDArray[np.int64]
    best_predicted: NDArray[np.int64]
    best_epoch: int
    history: tuple[EpochRecord, ...]
    seconds: float
    finite: bool


def _unwatched(done: int, total: int) -> None:
    """A pulse that nobody takes."""


def train(
    network: Network,
    images: Images,
    recipe: NetworkRecipe,
    *,
    seed: int,
    test: Images | None = None,
    record: Recorder | None = None,
    pulse: Callable[[int, int], None] = _unwatched,
) -> Trained:
    """Train a network in place; afterwards it is in eval mode, with the parameters of the end.

    The rows of `images` in the order given are the order of rows: another order is another run.
    The same seed gives the same network, bit for bit, on one machine with as many threads.

    Args:
        network: on the device of the pictures.
        images: to train on. The loss of a batch is the mean of wᵢ·lossᵢ, the weights scaled to
            mean 1 over all rows, so a batch of heavy rows is a longer step. Of its support rows
            an epoch trains on as many as the recipe says, drawn anew.
        recipe: what to do.
        seed: of the order of rows, of augmentation, and of what the network draws.
        test: rows to look at after epochs; they decide nothing but which epoch is called best.
        record: takes the logits of every step, and pictures of the network.
        pulse: told the steps done and the steps in all; what it raises ends the training.

    Raises:
        NotFinite: the loss of an epoch is NaN or infinite.
    """
    started = time.perf_counter()
    support = 0 if images.support is None else int(images.support.sum())
    steps = steps_an_epoch(len(images), support, recipe)
    total = steps * recipe.epochs
    looks = _Looks(test, recipe)
    views = None if record is None else record.view
    history: list[EpochRecord] = []
    with arithmetic_of(network, recipe, images.device, seed) as arithmetic:
        descent = _Descent(network, images, recipe, arithmetic)
        for epoch in range(recipe.epochs):
            epoch_started = time.perf_counter()
            generator = epoch_generator(seed, epoch)
            order = epoch_rows(images, recipe, generator)
            draws = draw(recipe, images.pixels.shape, generator, images.device)
            mix = draw_mix(images, recipe, generator)
            sums = torch.zeros(2, dtype=torch.float64, device=images.device)
            network.train()
            for step, rows in enumerate(batches_of(order, recipe.batch), epoch * steps):
                # In eval mode before the forward pass that moves the running statistics.
                seen = descent.tested(rows) if views == "eval" else None
                batch = one_family(mixed(images, rows, draws, mix, recipe), recipe, generator)
                logits, loss = descent.logits_and_loss(batch, rows)
                if record is not None:
                    shown = logits.detach() if seen is None else seen
                    record(epoch, rows, shown, images.targets[rows])
                descent.step(loss, learning_rate(recipe, step, steps))
                right = (logits.detach().argmax(1) == images.targets[rows]).sum()
                sums += torch.stack([loss.detach().double() * len(rows), right.double()])
                pulse(step + 1, total)
            mean_loss, train_accuracy = (sums / len(order)).tolist()
            if not isfinite(mean_loss):
                what = f"a finite loss was expected in epoch {epoch + 1} of {recipe.epochs}"
                raise NotFinite(diverged(f"{what}, it was {mean_loss}", recipe))
            network.eval()
            test_accuracy = looks.after(epoch, arithmetic)
            if record is not None and epoch + 1 in record.snapshot_epochs(recipe.epochs):
                record.snapshot(epoch + 1, network, _inputs(images, recipe))
            history.append(
                EpochRecord(
                    epoch=epoch + 1,
                    loss=mean_loss,
                    train_accuracy=train_accuracy,
                    test_accuracy=test_accuracy,
                    learning_rate=learning_rate(recipe, (epoch + 1) * steps - 1, steps),
                    seconds=time.perf_counter() - epoch_started,
                )
            )
    return Trained(
        predicted=looks.last,
        best_predicted=looks.best,
        best_epoch=looks.best_epoch,
        history=tuple(history),
        seconds=time.perf_counter() - started,
        finite=looks.finite,
    )


def logits_of(
    network: Network, images: Images, recipe: NetworkRecipe
) -> Float32[NDArray[np.float32], "n k"]:
    """Logits of all rows as tests see them, in float32 and eval mode."""
    network.eval()
    with torch.no_grad():
        parts = [network(batch).cpu() for batch in _inputs(images, recipe)]
    return torch.cat(parts).numpy()


class _Descent:
    """A network, its optimiser, and the rows it is trained on."""

    def __init__(
        self, network: Network, images: Images, recipe: NetworkRecipe, arithmetic: Arithmetic
    ) -> None:
        self.network, self.images, self.recipe = network, images, recipe
        self.arithmetic = arithmetic
        self.weights = None if images.weights is None else images.weights / images.weights.mean()
        self.optimiser = torch.optim.SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )

    def logits_and_loss(
        self, batch: Float32[Tensor, "m c h w"], rows: Int64[Tensor, " m"]
    ) -> tuple[Float32[Tensor, "m k"], Float32[Tensor, ""]]:
        """Forward in train mode; the loss is the mean of wᵢ·lossᵢ, and that of pairs."""
        logits, targets = self.arithmetic.logits(batch), self.images.targets[rows]
        weights = None if self.weights is None else self.weights[rows]
        loss, recipe = self._entropy(logits, targets, weights), self.recipe
        if recipe.structure:
            loss = loss + recipe.structure * structure_loss(
                logits, targets, margin=recipe.contrast_margin, weights=weights
            )
        return logits, loss

    def _entropy(
        self,
        logits: Float32[Tensor, "m k"],
        targets: Int64[Tensor, " m"],
        weights: Float32[Tensor, " m"] | None,
    ) -> Float32[Tensor, ""]:
        smoothing = self.recipe.label_smoothing
        if weights is None:
            return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        losses = functional.cross_entropy(
            logits, targets, reduction="none", label_smoothing=smoothing
        )
        return (weights * losses).mean()

    def step(self, loss: Float32[Tensor, ""], rate: float) -> None:
        """Backward, and one step at this rate."""
        self.optimiser.zero_grad()
        loss.backward()
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for group in self.optimiser.param_groups:
            if self.recipe.restart and rate != group["lr"]:
                self.optimiser.state.clear()
            group["lr"] = rate
        self.optimiser.step()

    def tested(self, rows: Int64[Tensor, " m"]) -> Float32[Tensor, "m k"]:
        """Logits of some rows in eval mode and not augmented, before the step."""
        self.network.eval()
        with torch.no_grad():
            logits = self.arithmetic.logits(seen_by_tests(self.images, rows, self.recipe))
        self.network.train()
        return logits


class _Looks:
    """What was predicted for the test rows, after the last epoch and after the best."""

    def __init__(self, test: Images | None, recipe: NetworkRecipe) -> None:
        self.test, self.recipe = test, recipe
        self.last = self.best = np.empty(0, np.int64)
        self.best_epoch, self.best_accuracy = 0, -1.0
        self.finite = True

    def after(self, epoch: int, arithmetic: Arithmetic) -> float | None:
        """Accuracy after an epoch, where it is time to look."""
        is_last = epoch + 1 == self.recipe.epochs
        if self.test is None or not (is_last or (epoch + 1) % self.recipe.evaluate_every == 0):
            return None
        with torch.no_grad():
            parts = [arithmetic.logits(batch).cpu() for batch in _inputs(self.test, self.recipe)]
        logits = torch.cat(parts).numpy()
        self.finite = bool(np.isfinite(logits).all())
        self.last = logits.argmax(1)
        accuracy = float((self.last == self.test.targets.cpu().numpy()).mean())
        if accuracy > self.best_accuracy:
            self.best, self.best_epoch, self.best_accuracy = self.last, epoch + 1, accuracy
        return accuracy


def _inputs(images: Images, recipe: NetworkRecipe) -> Iterator[Float32[Tensor, "_ c h w"]]:
    """All rows in order, batch by batch, as tests see them."""
    for start in range(0, len(images), TESTED_TOGETHER):
        yield seen_by_tests(images, slice(start, start + TESTED_TOGETHER), recipe)


def diverged(what: str, recipe: NetworkRecipe) -> str:
    """What was found, and what helps where training diverged."""
    return (
        f"{what}; lower the rate (--recipe "
        f"{recipe.name}:learning_rate={recipe.learning_rate / 10:g}), "
        "limit the gradient (clip=1), or check the weights of the selection"
    )
