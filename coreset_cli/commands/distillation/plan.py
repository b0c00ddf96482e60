"""What `distill` would do and cost, from a few measured steps."""

import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.commands.distillation.job import Opened, memory_of, opened
from coreset_cli.commands.distillation.request import Request
from coreset_cli.condensation.condenser import Schedule, Task
from coreset_cli.condensation.loop import first_state, iterated
from coreset_cli.condensation.pool import Pool
from coreset_cli.condensation.start import noise
from coreset_cli.device import START_UP, watched_memory
from coreset_cli.training.batches import images_of

__all__ = ["Plan", "plan"]

CLASSES = 10
"""Whose losses are measured, at most; the others cost as much."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do.

    Args:
        rows: real images that are condensed.
        classes: of them.
        ipc: synthetic images a class.
        method: its name.
        model: the network.
        init: what the pixels begin with.
        iterations: outer ones.
        steps: of each.
        bytes: of the pixels as stored.
        memory: that the process will take, about, start-up included.
        iteration_seconds: of an outer iteration.
        seconds: that all iterations will take.
        device: where.
        output: where to.
        warnings: what the user should know.
    """

    rows: int
    classes: int
    ipc: int
    method: str
    model: str
    init: str
    iterations: int
    steps: int
    bytes: int
    memory: int
    iteration_seconds: float
    seconds: float
    device: str
    output: str
    warnings: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        return [
            f"distill   {self.rows:,} images of {self.classes:,} classes to {self.ipc:,} a class "
            f"with {self.method} and {self.model} on {self.device}, from {self.init}",
            f"write     {self.classes * self.ipc:,} images, about {self.bytes / 1e6:,.1f} MB, to "
            f"{self.output}",
            f"memory    about {self.memory / 2**30:.1f} GiB",
            f"time      about {self.seconds:,.0f} s: {self.iterations:,} outer iterations of "
            f"{self.steps:,} steps, {self.iteration_seconds:.3g} s each",
            "nothing was written",
        ]


def plan(request: Request) -> Plan:
    """Open everything, make a few steps on a part of the data, and multiply.

    Raises:
        CoresetError: whatever `distill` would raise before it decodes all images.
    """
    inputs = opened(request)
    task = _sample(inputs)
    schedule = inputs.method.schedule(task)
    least = START_UP + memory_of(inputs, inputs.shapeless(), schedule)
    with watched_memory() as largest:
        seconds = _seconds(inputs, task, schedule)
        peak = largest()
    iterations = request.iterations or schedule.iterations
    c, h, w = task.pool.shape
    pixels = task.classes * task.ipc * c * h * w
    return Plan(
        rows=len(inputs.rows),
        classes=task.classes,
        ipc=task.ipc,
        method=request.method,
        model=inputs.spec.text,
        init=request.init or schedule.start,
        iterations=iterations,
        steps=schedule.steps,
        bytes=4 * pixels,
        memory=max(least, peak + 2 * len(inputs.pictures) * c * h * w),
        iteration_seconds=seconds,
        seconds=iterations * seconds,
        device=str(inputs.device),
        output=str(request.output),
        warnings=(*inputs.notes, *schedule.notes),
    )


def _sample(inputs: Opened) -> Task:
    """The task on a batch of some classes; the others have no rows."""
    whole = inputs.shapeless()
    batch = inputs.method.schedule(whole).batch
    parts = [rows[:batch].numpy() for rows in whole.pool.members[:CLASSES]]
    rows = np.concatenate(parts)
    c, *size = inputs.shape
    pixels = load_pixels(inputs.pictures, channels=c, size=(size[0], size[1]), rows=rows)
    images = images_of(pixels.values, inputs.labels.codes[rows], device=inputs.device)
    places = images.targets.cpu()
    members = tuple((places == code).nonzero()[:, 0] for code in range(whole.classes))
    return replace(whole, pool=Pool(images, members))


def _seconds(inputs: Opened, task: Task, schedule: Schedule) -> float:
    """Wall time of an outer iteration: classes take as long as each other, so do steps."""
    measured = range(min(CLASSES, task.classes))
    state = first_state(noise(task, schedule))

    def timed(steps: int) -> float:
        since = time.perf_counter()
        short = replace(schedule, steps=steps)
        iterated(inputs.method, task, short, state, classes=measured)
        return time.perf_counter() - since

    timed(1)  # warms up
    one = timed(1)
    training = max(0.0, timed(2) - 2 * one) if schedule.steps > 1 else 0.0
    step = one * task.classes / len(measured)
    return schedule.steps * step + (schedule.steps - 1) * training
