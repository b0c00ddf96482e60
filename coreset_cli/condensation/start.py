"""The pixels that a run begins with."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.condensation.condenser import Schedule, Task, generator_of
from coreset_cli.errors import InfeasibleBudget
from coreset_cli.training.formation import mixed

__all__ = ["needed", "noise", "random_rows", "real", "require_enough"]

GREY = (0.5, 0.25)
"""Mean and deviation of noise from 0 to 1."""


def noise(task: Task, schedule: Schedule) -> Float[Tensor, "m c h w"]:
    """Independent normal pixels, as stored."""
    shape = (task.classes * task.ipc, *task.pool.shape)
    values = torch.randn(shape, generator=generator_of(task.seed, "noise"))
    if schedule.space == "unit":
        values = (GREY[0] + GREY[1] * values).clamp(0, 1)
    return values.to(task.device)


def real(task: Task, schedule: Schedule, rows: Int64[Tensor, " r"]) -> Float[Tensor, "m c h w"]:
    """Real pictures, as stored; where an image is decoded to several, they are mixed into it.

    Args:
        task: what is condensed.
        schedule: of the method.
        rows: those of a class follow one another.
    """
    images = task.pool.images
    index = rows.to(task.device)
    if schedule.space == "normalised":
        return mixed(images.normalised(index), schedule.factor)
    return mixed(images.pixels[index].float() / 255, schedule.factor)


def needed(task: Task, schedule: Schedule) -> int:
    """Real pictures of each class to begin with."""
    return task.ipc * schedule.factor**2


def random_rows(task: Task, schedule: Schedule, names: tuple[str, ...]) -> Int64[Tensor, " r"]:
    """Different rows of each class, drawn at random.

    Args:
        task: what is condensed.
        schedule: of the method.
        names: of the classes, for messages.

    Raises:
        InfeasibleBudget: a class has too few.
    """
    count = needed(task, schedule)
    parts = [
        task.pool.drawn(code, count, generator_of(task.seed, f"start {code}"))
        for code in range(task.classes)
    ]
    require_enough(np.array([len(part) for part in parts]), count, names)
    return torch.cat(parts)


def require_enough(
    counts: NDArray[np.int64], count: int, names: tuple[str, ...], what: str = "images"
) -> None:
    """Refuse a start that a class has too few rows for.

    Args:
        counts: [c] rows of each class.
        count: wanted of each.
        names: of the classes.
        what: is counted, in words.

    Raises:
        InfeasibleBudget: a class has fewer.
    """
    short = np.flatnonzero(counts < count)
    if len(short):
        code = int(short[0])
        more = f" ({len(short)} classes have too few)" if len(short) > 1 else ""
        raise InfeasibleBudget(
            f"class '{names[code]}' has {counts[code]} {what}, {count} are needed to begin with"
            f"{more}; lower --ipc, or begin with --init noise"
        )
