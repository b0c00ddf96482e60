"""Gradient matching: synthetic pictures of a class move a network as real ones do.

Source: Zhao, Mopuri & Bilen, "Dataset condensation with gradient matching", ICLR 2021; defaults
from the authors' code.
Cost: a pass there and back of the real batch and a double one of the synthetic pictures, a class
and step; steps and epochs grow with the number of images a class.
Deviates: numbers of images a class that the authors give no rounds for have `ipc` steps of about
500 / `ipc` epochs.
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

__all__ = ["DC"]


@dataclass(frozen=True, kw_only=True)
class DC:
    """Match the gradients of each class, layer by layer, along the training of networks.

    Args:
        rate: at which pixels move.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration; `none` takes the published number for the images a class.
        epochs: of the network on the synthetic pictures between two steps; `none` as above.
        network_rate: at which the network is trained.
    """

    rate: float = 0.1
    momentum: float = 0.5
    batch: int = 256
    steps: int | None = None
    epochs: int | None = None
    network_rate: float = 0.01

    def __post_init__(self) -> None:
        demand_positive("dc", rate=self.rate, batch=self.batch, steps=self.steps)
        demand_positive("dc", epochs=self.epochs, network_rate=self.network_rate)
        demand_momentum("dc", self.momentum)

    def schedule(self, task: Task) -> Schedule:
        """Several steps an iteration, from noise."""
        return matching_schedule(
            task,
            rate=self.rate,
            momentum=self.momentum,
            batch=self.batch,
            steps=self.steps,
            network_rate=self.network_rate,
            augmentation=None,
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Distance of the gradients."""
        return gradient_losses(step, self.batch)

    def train(self, step: Step) -> None:
        """On the synthetic pictures."""
        train_on_synthetic(step, self.epochs)
