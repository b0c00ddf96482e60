"""What a method of condensation decides, and what it is given.

All methods share one loop (`loop.condense`): each outer iteration takes a network with new random
weights, and makes some steps. A step sums a loss over the classes, each of which compares a batch
of real pictures with the synthetic pictures of the class, and moves the synthetic pixels down its
gradient; labels never change. Between two steps of an iteration the network may be trained.

A method is a frozen dataclass of settings in `methods/`, a file each, with three functions:

- `schedule(task)` says how long, how fast, in which space and from where the pixels go;
- `losses(step)` yields the loss of each class of `step.classes`, in order; what is yielded last
  may also be a term of all classes. The caller goes back through each loss as it comes;
- `train(step)` trains the network, by `step.descend`, or does nothing.

Whatever is drawn comes from `step.generator(purpose, class)`, so that a run needs no state of a
generator to go on. What a method must remember from step to step is numbers in `step.memory`. The
parts that methods share are functions: `gradients.py` (forward passes of a class, matching of
gradients, rounds by number of images), `inner.py` (losses to train a network by), `distance.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from coreset_cli.condensation.curvature import Answers
from coreset_cli.condensation.pool import Pool
from coreset_cli.seeds import derived_seed
from coreset_cli.training.formation import decoded
from coreset_cli.training.networks import Network, NetworkSpec, build
from coreset_cli.training.siamese import Strategy, Warp, draw_warp, parse_strategy

__all__ = [
    "Condenser",
    "Descent",
    "Schedule",
    "Step",
    "Task",
    "generator_of",
    "seen",
    "strategy_of",
]

FULL = "color_crop_cutout_flip_scale_rotate"
"""All augmentation there is."""


def generator_of(seed: int, purpose: str) -> torch.Generator:
    """A generator of its own for a purpose, on the processor."""
    return torch.Generator().manual_seed(derived_seed(seed, purpose))


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is to be condensed.

    Args:
        pool: the real pictures.
        ipc: synthetic images a class.
        network: the architecture that judges.
        seed: of all draws.
    """

    pool: Pool
    ipc: int
    network: NetworkSpec
    seed: int

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.pool.members)

    @property
    def device(self) -> torch.device:
        """Where all is computed."""
        return self.pool.images.device

    def built(self, iteration: int) -> Network:
        """The network of an outer iteration, with random weights."""
        channels, *sides = self.pool.shape
        network = build(
            self.network,
            classes=self.classes,
            channels=channels,
            size=max(sides),
            seed=derived_seed(self.seed, f"network {iteration}"),
        )
        return network.to(self.device)


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How a network is trained between two steps; momentum lasts for an outer iteration.

    Args:
        rate: of the descent.
        momentum: of the descent.
        weight_decay: times the parameters, added to their gradient.
    """

    rate: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the pixels go.

    Args:
        iterations: outer ones, as published.
        steps: of each.
        rate: at which pixels move.
        momentum: of the pixels, through the whole run.
        start: from where, as published: noise, or real pictures.
        space: of the pixels as stored: normalised and unbounded, or from 0 to 1 (`unit`), where
            they are clipped before each iteration and at the end.
        factor: each image is decoded to so many by so many pictures.
        strategy: of the augmentation under which they are learned.
        each_class: pixels move after the loss of each class, not after that of all.
        descent: of the network.
        batch: real pictures that a network sees at a time, at most; for estimates of memory.
        notes: what the user should know of these settings for this task.
    """

    iterations: int
    steps: int
    rate: float
    momentum: float = 0.5
    start: Literal["noise", "real"] = "real"
    space: Literal["normalised", "unit"] = "normalised"
    factor: int = 1
    strategy: Strategy = field(default_factory=lambda: parse_strategy("none"))
    each_class: bool = False
    descent: Descent = Descent()
    batch: int = 256
    notes: tuple[str, ...] = ()


def seen(
    task: Task, schedule: Schedule, stored: Float[Tensor, "m c h w"]
) -> Float[Tensor, "p c h w"]:
    """Decoded pictures as a network takes them, those of an image following one another.

    Args:
        task: what is condensed.
        schedule: of the method.
        stored: some images.
    """
    pictures = decoded(stored, schedule.factor)
    if schedule.space == "normalised":
        return pictures
    return task.pool.images.normalise(255 * pictures)


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the loop, as a method sees it.

    Args:
        task: what is condensed.
        schedule: of the method.
        network: of this iteration, in train mode, its batch statistics fixed while it judges.
        pixels: [m c h w] as stored, the images of a class following one another; losses are
            differentiated with respect to them.
        iteration: outer one, from 0.
        number: of the step in it, from 0.
        classes: whose losses are wanted; all, unless a dry run measures.
        memory: numbers that a method keeps through the run.
        optimiser: of the network.
    """

    task: Task
    schedule: Schedule
    network: Network
    pixels: Float[Tensor, "m c h w"]
    iteration: int
    number: int
    classes: range
    memory: dict[str, float]
    optimiser: torch.optim.Optimizer

    @property
    def targets(self) -> Int64[Tensor, " m"]:
        """Class of each decoded synthetic picture."""
        each = self.task.ipc * self.schedule.factor**2
        codes = torch.arange(self.task.classes, device=self.task.device)
        return codes.repeat_interleave(each)

    def generator(self, purpose: str, code: int | None = None) -> torch.Generator:
        """The generator of a purpose, for a class or for all, in this step."""
        place = "" if code is None else f" {code}"
        return generator_of(self.task.seed, f"{purpose} {self.iteration} {self.number}{place}")

    def synthetic(self, code: int | None = None) -> Float[Tensor, "p c h w"]:
        """Decoded synthetic pictures of a class, or of all, as a network takes them."""
        ipc = self.task.ipc
        stored = self.pixels if code is None else self.pixels[code * ipc : (code + 1) * ipc]
        return seen(self.task, self.schedule, stored)

    def real(self, code: int, count: int) -> Float[Tensor, "m c h w"]:
        """Real pictures of a class, drawn anew in each step, as a network takes them."""
        pool = self.task.pool
        return pool.pictures(pool.drawn(code, count, self.generator("real", code)))

    def warp(self, code: int) -> Warp:
        """What is done to both the real and the synthetic pictures of a class."""
        return draw_warp(
            self.schedule.strategy,
            rows=1,
            size=self.task.pool.shape[1:],
            generator=self.generator("warp", code),
            shared=True,
        )

    def answers(self, pictures: Float[Tensor, "m c h w"], code: int) -> Answers:
        """What the network says of pictures of a class."""
        features = self.network.features(pictures)
        targets = torch.full((len(pictures),), code, device=self.task.device)
        return Answers(logits=self.network.head(features), features=features, targets=targets)

    def descend(self, losses: Iterable[Tensor]) -> None:
        """Train the network: a step down each loss as it comes."""
        for loss in losses:
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()


@runtime_checkable
class Condenser(Protocol):
    """The settings of a method: see the text of this file."""

    def schedule(self, task: Task) -> Schedule:
        """How the pixels go.

        Raises:
            InvalidParameter: settings that do not fit the task.
        """

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """The loss of each class."""

    def train(self, step: Step) -> None:
        """Train the network before the next step of the same iteration."""


def strategy_of(text: str, task: Task) -> Strategy:
    """The augmentation a user named; `auto` is all there is, mirrors for pictures in colour only.

    Raises:
        InvalidParameter: no such augmentation.
    """
    if text != "auto":
        return parse_strategy(text)
    found = parse_strategy(FULL)
    if task.pool.shape[0] == 3:
        return found
    return Strategy(tuple(family for family in found.families if family != "flip"))
