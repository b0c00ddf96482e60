"""IDC: an image holds several pictures, matched with real ones while networks learn from real rows.

Source: Kim et al., "Dataset condensation via efficient synthetic-data parameterization", ICML 2022;
defaults from the authors' code.
Cost: a step of the pixels a class, 100 of them an outer iteration, and 500 to 2,000 real rows of
training between two; most is won in the first tenth of the iterations.
Deviates: pixels are clipped when they are stored, too; an image starts from random real pictures,
each shrunk to its part; a grey data set is taken for one of digits, as MNIST, a colour one for
CIFAR, where the authors give numbers by data set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.condenser import Descent, Schedule, Step, Task
from coreset_cli.condensation.gradients import gradient_loss
from coreset_cli.condensation.pooled import on_cut_rows
from coreset_cli.condensation.settings import demand_momentum, demand_positive
from coreset_cli.training.formation import require_factor
from coreset_cli.training.siamese import Strategy, parse_strategy, warped

__all__ = ["IDC"]

ITERATIONS = 2_000

RATES = {"mse": (5e-3, 32), "l1": (1e-4, 28)}
"""Rate of the pixels for 10 images a class, and the side of the pictures it was published for."""

DECODED = 128
"""Decoded pictures of a class that a step sees, at most."""

TRAINED = {3: 2_000, 1: 500}
"""Real rows between two steps, by channels."""

TRAINING_BATCH = 64
"""Of them."""

MIXED = 0.5
"""Share of these batches that are cut and mixed."""


@dataclass(frozen=True, kw_only=True)
class IDC:
    """Match the gradients of the convolutions, each image decoded to several pictures.

    Args:
        factor: an image is decoded to factor × factor pictures; 1 is IDC-I.
        metric: squares (`mse`) or absolute values (`l1`) of differences of gradients, summed;
            `auto` is `mse` in colour and `l1` in grey.
        rate: at which pixels move; `none` takes the published one, for the images a class, the
            metric and the size.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration.
        trained: real rows that the network is trained on between two steps; `none` is 2,000 in
            colour and 500 in grey.
        network_rate: at which the network is trained.
        augmentation: one for real and synthetic pictures of a step; the network is trained under
            the same, but `cutout`.
    """

    factor: int = 2
    metric: Literal["auto", "mse", "l1"] = "auto"
    rate: float | None = None
    momentum: float = 0.5
    batch: int = 64
    steps: int = 100
    trained: int | None = None
    network_rate: float = 0.01
    augmentation: str = "color_crop_cutout"

    def __post_init__(self) -> None:
        demand_positive("idc", factor=self.factor, rate=self.rate, batch=self.batch)
        demand_positive("idc", steps=self.steps, trained=self.trained)
        demand_positive("idc", network_rate=self.network_rate)
        demand_momentum("idc", self.momentum)

    def schedule(self, task: Task) -> Schedule:
        """Pixels from 0 to 1 that move class by class, from mixed real pictures."""
        _, *size = task.pool.shape
        require_factor(self.factor, size=(size[0], size[1]))
        rate, side = RATES[self._metric(task)]
        published = rate * task.ipc / 10 * (max(size) / side) ** 2
        return Schedule(
            iterations=ITERATIONS,
            steps=self.steps,
            rate=published if self.rate is None else self.rate,
            momentum=self.momentum,
            batch=max(self.batch, TRAINING_BATCH),
            space="unit",
            factor=self.factor,
            strategy=parse_strategy(self.augmentation, "layers"),
            each_class=True,
            descent=Descent(rate=self.network_rate, momentum=0.9, weight_decay=5e-4),
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Distance of the gradients of the convolutions."""
        matched = [values for values in step.network.parameters() if values.ndim == 4]
        for code in step.classes:
            warp = step.warp(code)
            pictures = step.synthetic(code)
            some = torch.randperm(len(pictures), generator=step.generator("decoded", code))
            yield gradient_loss(
                step.network,
                step.answers(warped(step.real(code, self.batch), warp), code),
                step.answers(warped(pictures[some[:DECODED].to(pictures.device)], warp), code),
                parameters=matched,
                metric=self._metric(step.task),
            )

    def train(self, step: Step) -> None:
        """On real rows."""
        families = step.schedule.strategy.families
        without_holes = tuple(family for family in families if family != "cutout")
        step.descend(
            on_cut_rows(
                step,
                Strategy(without_holes, "layers"),
                count=self.trained or TRAINED[step.task.pool.shape[0]],
                batch=TRAINING_BATCH,
                share=MIXED,
            )
        )

    def _metric(self, task: Task) -> Literal["mse", "l1"]:
        if self.metric != "auto":
            return self.metric
        return "mse" if task.pool.shape[0] == 3 else "l1"
