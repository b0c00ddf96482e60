"""Small tasks of condensation, and runs of them."""

from dataclasses import replace

import numpy as np
import torch

from coreset_cli.condensation.condenser import Condenser, Step, Task
from coreset_cli.condensation.loop import State, condense, first_state, iterated
from coreset_cli.condensation.pool import pool_of
from coreset_cli.condensation.start import noise, random_rows, real
from coreset_cli.training.batches import images_of
from coreset_cli.training.networks import network_spec


def task_of(
    *,
    ipc: int = 1,
    rows: int = 12,
    classes: int = 2,
    side: int = 8,
    channels: int = 1,
    network: str = "convnet:width=8,depth=1",
    seed: int = 0,
) -> Task:
    """Pictures of a pattern for each class, under noise."""
    rng = np.random.default_rng(5)
    patterns = rng.uniform(40, 215, (classes, side, side, channels))
    codes = np.tile(np.arange(classes), rows)
    noisy = patterns[codes] + rng.normal(0, 25, (len(codes), side, side, channels))
    images = images_of(noisy.clip(0, 255).astype(np.uint8), codes)
    everything = np.arange(len(codes))
    pool = pool_of(images, everything, everything, classes)
    return Task(pool=pool, ipc=ipc, network=network_spec(network), seed=seed)


def start_of(method: Condenser, task: Task) -> State:
    schedule = method.schedule(task)
    if schedule.start == "noise":
        return first_state(noise(task, schedule))
    names = tuple(map(str, range(task.classes)))
    return first_state(real(task, schedule, random_rows(task, schedule, names)))


def run_of(method: Condenser, task: Task, iterations: int) -> list[State]:
    """Where the run is at first, and after each iteration."""
    schedule = method.schedule(task)
    first = start_of(method, task)
    return [first, *condense(method, task, schedule, first, iterations=iterations)]


def judged(method: Condenser, task: Task, state: State, networks: int = 3) -> float:
    """Mean loss of some pixels at networks that none of them was learned from."""
    still = replace(method.schedule(task), rate=0.0)
    places = [replace(state, iteration=1000 + number) for number in range(networks)]
    found = [iterated(method, task, still, at, classes=range(task.classes)) for at in places]
    return float(np.mean([end.loss for end in found]))


def step_of(method: Condenser, task: Task, state: State, *, number: int = 0) -> Step:
    """The step that the loop takes from a state, with a network of its iteration."""
    schedule = method.schedule(task)
    network = task.built(state.iteration)
    descent = schedule.descent
    return Step(
        task=task,
        schedule=schedule,
        network=network,
        pixels=state.pixels.clone().requires_grad_(),
        iteration=state.iteration,
        number=number,
        classes=range(task.classes),
        memory=dict(state.memory),
        optimiser=torch.optim.SGD(
            network.parameters(),
            lr=descent.rate,
            momentum=descent.momentum,
            weight_decay=descent.weight_decay,
        ),
    )
