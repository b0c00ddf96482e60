"""A request that can be carried out: data open and labelled, selections joined, sizes looked at."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.pictures import Pictures, open_pictures, record_of
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.artifacts.selection import rows_in
from coreset_cli.artifacts.selection_file import read_selection
from coreset_cli.artifacts.synthetic import Synthetic
from coreset_cli.commands.distillation.request import Request
from coreset_cli.commands.register import make_condenser
from coreset_cli.condensation.condenser import Condenser, Schedule, Task
from coreset_cli.condensation.pool import pool_of
from coreset_cli.condensation.start import needed, noise, random_rows, real, require_enough
from coreset_cli.device import find_device, require_memory
from coreset_cli.errors import InfeasibleBudget, SchemaMismatch
from coreset_cli.io.atomic import refuse_inside
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.footprint import footprint
from coreset_cli.training.networks import NetworkSpec, network_spec

__all__ = ["Job", "Opened", "Watch", "loaded", "opened"]

FIRST = 64
"""Images looked at to know what the others are like, before any other is decoded."""

STEP = 0.5
"""Memory of a step down to the pixels, of what a step of training takes were nothing freed.

Measured on a processor, pictures of 32 pixels: 0.40 to 0.45 for matching of gradients (ConvNet,
ResNet-18), 0.09 to 0.16 for matching of features.
"""


class Watch(Protocol):
    """Told of a stage, the units done, all of them, and what else there is to see."""

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Take note."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picked:
    """Rows of the data that a selection names.

    Args:
        path: of the selection.
        rows: in rank order.
        digest: of their ids.
        notes: what the user should know.
    """

    path: Path
    rows: NDArray[np.int64]
    digest: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A request whose inputs are open; no image is decoded but a few.

    Args:
        request: what was asked for.
        method: with its settings.
        spec: the network.
        device: where all is computed.
        pictures: the data.
        labels: of its rows.
        first: rows to begin with, where a selection names them.
        subset: rows to condense, where a selection names them.
    """

    request: Request
    method: Condenser
    spec: NetworkSpec
    device: torch.device
    pictures: Pictures
    labels: Labels
    first: Picked | None
    subset: Picked | None

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Of the data that are condensed."""
        return np.arange(len(self.pictures)) if self.subset is None else self.subset.rows

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the first images."""
        rows = np.arange(min(FIRST, len(self.pictures)))
        h, w, c = load_pixels(self.pictures, channels=None, size=None, rows=rows).values.shape[1:]
        return c, h, w

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the inputs."""
        picked = [found for found in (self.first, self.subset) if found is not None]
        return (*self.pictures.warnings, *(note for found in picked for note in found.notes))

    def task(self, images: Images) -> Task:
        """What is condensed, of images in the order of the data."""
        pool = pool_of(images, self.pictures.ids.key().rank, self.rows, len(self.labels.names))
        return Task(pool=pool, ipc=self.request.ipc, network=self.spec, seed=self.request.seed)

    def shapeless(self) -> Task:
        """The task without any pixels, for what can be known before they are there."""
        shape = (len(self.pictures), *self.shape)
        c = self.shape[0]
        pixels = torch.empty(shape, dtype=torch.uint8, device="meta")
        codes = torch.from_numpy(self.labels.codes)
        return self.task(Images(pixels, codes, None, torch.zeros(c), torch.ones(c)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A request whose images are decoded.

    Args:
        inputs: what was opened.
        task: what is condensed.
        schedule: of the method.
        record: of the data.
        notes: what the user should know.
    """

    inputs: Opened
    task: Task
    schedule: Schedule
    record: InputRecord
    notes: tuple[str, ...]

    @property
    def iterations(self) -> int:
        """Outer ones."""
        return self.inputs.request.iterations or self.schedule.iterations

    @property
    def init(self) -> str:
        """What the pixels begin with."""
        return self.inputs.request.init or self.schedule.start

    def key(self) -> dict[str, object]:
        """Everything that decides the pixels."""
        inputs = self.inputs
        return {
            "method": inputs.request.method,
            "settings": settings_of(inputs.method),
            "model": inputs.spec.text,
            "ipc": self.task.ipc,
            "iterations": self.iterations,
            "init": "coreset" if inputs.first else self.init,
            "init_digest": inputs.first and inputs.first.digest,
            "real_subset_digest": inputs.subset and inputs.subset.digest,
            "data": self.record.content_digest,
            "seed": self.task.seed,
            "device": self.task.device.type,
            "torch": torch.__version__,
        }

    def start(self) -> Float32[Tensor, "m c h w"]:
        """The pixels to begin with."""
        if self.init == "noise":
            return noise(self.task, self.schedule)
        names = self.inputs.labels.names
        rows = first_rows(self.inputs, needed(self.task, self.schedule))
        found = random_rows(self.task, self.schedule, names) if rows is None else rows
        return real(self.task, self.schedule, found)

    def synthetic(self, pixels: Float32[Tensor, "m c h w"]) -> Synthetic:
        """The set as it is written."""
        stored = pixels.clamp(0, 1) if self.schedule.space == "unit" else pixels
        images = self.task.pool.images
        return Synthetic(
            pixels=stored.cpu().numpy(),
            codes=np.repeat(np.arange(self.task.classes), self.task.ipc),
            names=self.inputs.labels.names,
            integers=self.inputs.labels.are_integers,
            space=self.schedule.space,
            mean=tuple(images.mean.tolist()),
            std=tuple(images.std.tolist()),
            factor=self.schedule.factor,
            augmentation=self.schedule.strategy.text,
        )


def opened(request: Request) -> Opened:
    """Open all inputs, and check all that can be checked before images are decoded.

    Raises:
        CoresetError: whatever a user can act on.
    """
    request.refuse_early()
    method = make_condenser(request.method, request.settings)
    spec, device = network_spec(request.model), find_device(request.device)
    pictures = open_pictures(
        request.paths,
        column=request.column,
        ids=request.ids,
        label=request.label,
        root=request.root,
    )
    for path in filter(None, (request.output, request.plot)):
        refuse_inside(path, pictures.data.files)
    if len(pictures) == 0:
        raise SchemaMismatch(f"{pictures.path} has no rows; there is nothing to distill")
    labels = require_labels(pictures)
    first, subset = (_picked(path, pictures) for path in (request.first_rows, request.real_subset))
    inputs = Opened(
        request=request,
        method=method,
        spec=spec,
        device=device,
        pictures=pictures,
        labels=labels,
        first=first,
        subset=subset,
    )
    _require_all_classes(inputs)
    task = inputs.shapeless()
    schedule = method.schedule(task)
    _require_start(inputs, schedule, task)
    require_memory(
        request.max_memory,
        memory_of(inputs, task, schedule),
        f"distilling {len(pictures):,} images",
        "allow more, or condense fewer with --real-subset",
    )
    return inputs


def loaded(inputs: Opened, watch: Watch) -> Job:
    """Decode all images.

    Raises:
        CoresetError: whatever a user can act on.
    """
    pictures = inputs.pictures
    record = record_of(pictures, lambda done, total: watch("reading", done, total))
    pixels = load_pixels(
        pictures,
        channels=None,
        size=None,
        progress=lambda done, total: watch("decoding", done, total),
    )
    images = images_of(pixels.values, inputs.labels.codes, device=inputs.device)
    task = inputs.task(images)
    schedule = inputs.method.schedule(task)
    notes = (*inputs.notes, *pixels.notes, *schedule.notes)
    return Job(inputs=inputs, task=task, schedule=schedule, record=record, notes=notes)


def memory_of(inputs: Opened, task: Task, schedule: Schedule) -> int:
    """Bytes of all images, twice while they are made ready, of the pixels and of a step.

    Args:
        inputs: what was opened.
        task: the same without pixels.
        schedule: of the method.
    """
    c, h, w = inputs.shape
    images = 2 * len(inputs.pictures) * c * h * w
    stored = 4 * 4 * task.classes * task.ipc * c * h * w
    if inputs.device.type == "cuda":
        return images + stored
    with torch.device("meta"):
        network = task.built(0)
    batch = schedule.batch + task.ipc * schedule.factor**2
    return images + stored + int(STEP * footprint(network, batch, c, max(h, w)))


def settings_of(method: Condenser) -> dict[str, object]:
    """All parameters of a method, defaults included."""
    return asdict(method)  # type: ignore[call-overload]  # a protocol hides the dataclass


def first_rows(inputs: Opened, count: int) -> Tensor | None:
    """The first picks of each class, where a selection names those to begin with.

    Raises:
        InfeasibleBudget: it has too few of a class.
    """
    if inputs.first is None:
        return None
    codes, names = inputs.labels.codes[inputs.first.rows], inputs.labels.names
    counts = np.bincount(codes, minlength=len(names))
    require_enough(counts, count, names, f"picks in {inputs.first.path}")
    return torch.from_numpy(
        np.concatenate([inputs.first.rows[codes == code][:count] for code in range(len(names))])
    )


def _require_start(inputs: Opened, schedule: Schedule, task: Task) -> None:
    if (inputs.request.init or schedule.start) == "noise":
        return
    count = needed(task, schedule)
    if first_rows(inputs, count) is None:
        counts = np.array([len(rows) for rows in task.pool.members])
        require_enough(counts, count, inputs.labels.names)


def _require_all_classes(inputs: Opened) -> None:
    """A class without real rows has nothing to learn from."""
    counts = inputs.labels.take(inputs.rows).counts()
    empty = [name for name, count in zip(inputs.labels.names, counts, strict=True) if not count]
    if empty and inputs.subset is not None:
        raise InfeasibleBudget(
            f"{inputs.subset.path} has no row of class '{empty[0]}' ({len(empty)} of "
            f"{len(counts)} classes have none); select with --min-per-class"
        )


def _picked(path: Path | None, pictures: Pictures) -> Picked | None:
    if path is None:
        return None
    selection = read_selection(path)
    rows, notes = rows_in(selection, str(path), pictures.ids, pictures.path, pictures.ids.digest())
    return Picked(path=path, rows=rows, digest=pictures.ids.take(rows).digest(), notes=notes)
