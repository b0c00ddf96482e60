"""Distribution matching: synthetic pictures of a class have the mean features of real ones.

Source: Zhao & Bilen, "Dataset condensation with distribution matching", WACV 2023; defaults from
the authors' code.
Cost: a forward pass of the real batch, and one there and back of the synthetic pictures, a class
and iteration; no second derivatives.
Robustness: `target=gm` or `trimmed` takes a statistic of the real features that a part of wrong
rows cannot move far.
Deviates: networks with batch normalisation take their statistics from real rows of all classes
first, and see one class at a time then.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.condenser import Schedule, Step, Task, strategy_of
from coreset_cli.condensation.settings import demand_momentum, demand_positive
from coreset_cli.condensation.target import Target, require_trim, statistic
from coreset_cli.training.siamese import warped

__all__ = ["DM"]

ITERATIONS = 20_000

MANY = 100
"""Images a class from which, with fewer classes than this, pixels move ten times faster."""


@dataclass(frozen=True, kw_only=True)
class DM:
    """Match the mean features of each class in networks with random weights.

    Args:
        rate: at which pixels move; `none` takes the published one, 1, or 10 for 100 images a class
            and more of fewer than 100 classes.
        momentum: of the pixels.
        batch: real pictures a class and iteration.
        augmentation: of real and synthetic pictures alike: `color_crop_cutout_flip_scale_rotate` or
            a part of it, or `none`; `auto` is all, with mirrors for colour only.
        target: of the real features: their mean, geometric median, or mean coordinate by
            coordinate without extreme values.
        trim: share of the values that `trimmed` leaves out at each end.
    """

    rate: float | None = None
    momentum: float = 0.5
    batch: int = 256
    augmentation: str = "auto"
    target: Target = "mean"
    trim: float = 0.1

    def __post_init__(self) -> None:
        demand_positive("dm", rate=self.rate, batch=self.batch)
        demand_momentum("dm", self.momentum)
        require_trim(self.trim)

    def schedule(self, task: Task) -> Schedule:
        """One step an iteration."""
        published = 10.0 if task.ipc >= MANY > task.classes else 1.0
        return Schedule(
            iterations=ITERATIONS,
            steps=1,
            rate=published if self.rate is None else self.rate,
            momentum=self.momentum,
            batch=self.batch,
            strategy=strategy_of(self.augmentation, task),
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Squared distance of the means."""
        step.network.requires_grad_(False)
        for code in step.classes:
            warp = step.warp(code)
            with torch.no_grad():
                real = step.network.features(warped(step.real(code, self.batch), warp))
                goal = statistic(real, self.target, trim=self.trim)
            found = step.network.features(warped(step.synthetic(code), warp)).mean(0)
            yield (found - goal).square().sum()

    def train(self, step: Step) -> None:
        """Networks stay random."""
