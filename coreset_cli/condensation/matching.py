"""The rounds of gradient matching, for methods that change what is matched and nothing else."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.condenser import Descent, Schedule, Step, Task, strategy_of
from coreset_cli.condensation.gradients import both_answers, gradient_loss, rounds
from coreset_cli.condensation.inner import on_synthetic

__all__ = ["gradient_losses", "matching_schedule", "train_on_synthetic"]

ITERATIONS = 1_000
"""Outer ones, as published for `dc` and `dsa`."""


def matching_schedule(
    task: Task,
    *,
    rate: float,
    momentum: float,
    batch: int,
    steps: int | None,
    network_rate: float,
    augmentation: str | None,
) -> Schedule:
    """The schedule of `dsa`, or of `dc` where nothing is augmented.

    Args:
        task: what is condensed.
        rate: at which pixels move.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration; the published number where not given.
        network_rate: at which the network is trained.
        augmentation: as a user names it; without one the pixels begin as noise.

    Raises:
        InvalidParameter: no such augmentation.
    """
    return Schedule(
        iterations=ITERATIONS,
        steps=steps or rounds(task.ipc)[0],
        rate=rate,
        momentum=momentum,
        batch=batch,
        start="noise" if augmentation is None else "real",
        strategy=strategy_of(augmentation or "none", task),
        descent=Descent(rate=network_rate),
    )


def gradient_losses(step: Step, batch: int) -> Iterator[Float[Tensor, ""]]:
    """Distance of the gradients of each class.

    Args:
        step: where the loop is.
        batch: real pictures a class.
    """
    for code in step.classes:
        yield gradient_loss(step.network, *both_answers(step, code, batch=batch))


def train_on_synthetic(step: Step, epochs: int | None) -> None:
    """Train the network on the synthetic pictures.

    Args:
        step: where the loop is.
        epochs: passes over them; the published number where not given.
    """
    step.descend(on_synthetic(step, epochs=epochs or rounds(step.task.ipc)[1]))
