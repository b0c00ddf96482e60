"""The one loop of condensation.

Each outer iteration depends on the pixels before it, on its number and on the seed alone, so that a
run continued from any state goes on as if it had never stopped.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.condensation.condenser import Condenser, Schedule, Step, Task
from coreset_cli.errors import NotFinite
from coreset_cli.seeds import derived_seed
from coreset_cli.training.networks import Network

__all__ = ["State", "condense", "first_state", "iterated"]

SETTLING = 16
"""Real pictures of each class by which batch statistics are set before they are fixed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Where a run is, after an outer iteration.

    Args:
        pixels: [m c h w] as stored.
        velocity: [m c h w] of the pixels.
        iteration: how many are done.
        loss: of the iteration just done, summed over classes, the mean of its steps; 0 at first.
        memory: what the method keeps.
    """

    pixels: Float[Tensor, "m c h w"]
    velocity: Float[Tensor, "m c h w"]
    iteration: int = 0
    loss: float = 0.0
    memory: Mapping[str, float] = field(default_factory=dict)


def first_state(pixels: Float[Tensor, "m c h w"]) -> State:
    """Where a run begins."""
    return State(pixels=pixels, velocity=torch.zeros_like(pixels))


def condense(
    method: Condenser, task: Task, schedule: Schedule, state: State, *, iterations: int
) -> Iterator[State]:
    """Run the outer iterations that are left.

    Args:
        method: what decides the losses.
        task: what is condensed.
        schedule: of the method, for this task.
        state: where the run is; it is left as it was.
        iterations: of the whole run.

    Yields:
        Where the run is after each iteration.

    Raises:
        NotFinite: a loss or a pixel is NaN or infinite.
    """
    while state.iteration < iterations:
        state = iterated(method, task, schedule, state, classes=range(task.classes))
        yield state


def iterated(
    method: Condenser, task: Task, schedule: Schedule, state: State, *, classes: range
) -> State:
    """One outer iteration.

    Args:
        method: what decides the losses.
        task: what is condensed.
        schedule: of the method, for this task.
        state: where the run is; it is left as it was.
        classes: whose images move.

    Raises:
        NotFinite: a loss or a pixel is NaN or infinite.
    """
    pixels, velocity = state.pixels.clone(), state.velocity.clone()
    if schedule.space == "unit":
        pixels.clamp_(0, 1)
    pixels.requires_grad_()
    memory = dict(state.memory)
    total = 0.0

    def move(gradient: Tensor) -> None:
        with torch.no_grad():
            velocity.mul_(schedule.momentum).add_(gradient)
            pixels.sub_(schedule.rate * velocity)

    with _own_draws(task, state.iteration):
        network = task.built(state.iteration)
        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=schedule.descent.rate,
            momentum=schedule.descent.momentum,
            weight_decay=schedule.descent.weight_decay,
        )
        for number in range(schedule.steps):
            step = Step(
                task=task,
                schedule=schedule,
                network=network,
                pixels=pixels,
                iteration=state.iteration,
                number=number,
                classes=classes,
                memory=memory,
                optimiser=optimiser,
            )
            network.train()
            _settle(step)
            whole, loss_sum = torch.zeros_like(pixels), 0.0
            for loss in method.losses(step):
                (gradient,) = torch.autograd.grad(loss, pixels)
                loss_sum += float(loss.detach())
                if schedule.each_class:
                    move(gradient)
                else:
                    whole += gradient
            if not schedule.each_class:
                move(whole)
            _demand_finite(loss_sum, pixels, step)
            total += loss_sum
            if number + 1 < schedule.steps:
                network.train()
                method.train(step)
    return State(
        pixels=pixels.detach(),
        velocity=velocity,
        iteration=state.iteration + 1,
        loss=total / schedule.steps,
        memory=memory,
    )


def _demand_finite(loss: float, pixels: Tensor, step: Step) -> None:
    where = f"step {step.number + 1} of outer iteration {step.iteration + 1}"
    if not isfinite(loss):
        raise NotFinite(f"a finite loss was expected in {where}, it was {loss}")
    if not pixels.isfinite().all():
        raise NotFinite(f"finite pixels were expected after {where}, some are NaN or infinite")


def _settle(step: Step) -> None:
    """Set batch statistics by real pictures of all classes, and fix them while pixels move.

    The pictures of one class would give statistics that no other batch has.
    """
    norms = _batch_norms(step.network)
    if not norms:
        return
    pool = step.task.pool
    rows = torch.cat(
        [
            pool.drawn(code, SETTLING, step.generator("settling", code))
            for code in range(step.task.classes)
        ]
    )
    with torch.no_grad():
        step.network(pool.pictures(rows))
    for norm in norms:
        norm.eval()


def _batch_norms(network: Network) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@contextmanager
def _own_draws(task: Task, iteration: int) -> Iterator[None]:
    """Random numbers of its own for what a network draws (dropout), undone at the end."""
    devices = [] if task.device.type == "cpu" else [task.device]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(task.seed, f"layers {iteration}"))
        yield
