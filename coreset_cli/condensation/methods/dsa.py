"""Gradient matching under augmentation: `dc`, real and synthetic pictures changed alike.

Source: Zhao & Bilen, "Dataset condensation with differentiable Siamese augmentation", ICML 2021;
defaults from the authors' code.
Cost: that of `dc`.
Deviates: as `dc`; what is drawn follows from the seed, not from the clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.condenser import Schedule, Step, Task
from coreset_cli.condensation.matching import (
    gradient_losses,
    matching_schedule,
    train_on_synthetic,
)
from coreset_cli.condensation.settings import demand_momentum, demand_positive

__all__ = ["DSA"]


@dataclass(frozen=True, kw_only=True)
class DSA:
    """Match the gradients of each class under the same random change of all its pictures.

    Args:
        rate: at which pixels move.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration; `none` takes the published number for the images a class.
        epochs: of the network on the synthetic pictures between two steps; `none` as above.
        network_rate: at which the network is trained.
        augmentation: `color_crop_cutout_flip_scale_rotate` or a part of it, or `none`; `auto` is
            all, with mirrors for colour only.
    """

    rate: float = 0.1
    momentum: float = 0.5
    batch: int = 256
    steps: int | None = None
    epochs: int | None = None
    network_rate: float = 0.01
    augmentation: str = "auto"

    def __post_init__(self) -> None:
        demand_positive("dsa", rate=self.rate, batch=self.batch, steps=self.steps)
        demand_positive("dsa", epochs=self.epochs, network_rate=self.network_rate)
        demand_momentum("dsa", self.momentum)

    def schedule(self, task: Task) -> Schedule:
        """Several steps an iteration, from real pictures."""
        return matching_schedule(
            task,
            rate=self.rate,
            momentum=self.momentum,
            batch=self.batch,
            steps=self.steps,
            network_rate=self.network_rate,
            augmentation=self.augmentation,
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Distance of the gradients."""
        return gradient_losses(step, self.batch)

    def train(self, step: Step) -> None:
        """On the synthetic pictures, each changed for itself."""
        train_on_synthetic(step, self.epochs)
