"""The real rows that each synthetic image stands for, a panel a class."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from coreset_cli.commands.distillation.job import Job
from coreset_cli.condensation.coverage import MOST_ROWS, Covered, covered_class
from coreset_cli.io.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_coverage"]

PANELS = 12
"""Classes drawn at most."""

COLUMNS = 4

SIDE = 2.6
"""Of a panel, in inches."""

COLOURS = "tab20"
"""Of the images of a class, again from the first after twenty."""


def draw_coverage(job: Job, pixels: Float32[Tensor, "m c h w"], path: Path) -> None:
    """Draw real rows where the features of a new random network put them, and write it whole.

    Args:
        job: what was condensed.
        pixels: learned, as stored.
        path: where to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = job.inputs.labels.names
    shown = min(len(names), PANELS)
    columns = min(shown, COLUMNS)
    lines = -(-shown // columns)
    figure = Figure(figsize=(SIDE * columns, SIDE * lines + 0.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    network = job.task.built(job.iterations)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for code, axes in enumerate(grid[:shown]):
        axes.set_title(names[code], fontsize="small")
        _panel(axes, covered_class(job.task, job.schedule, pixels, network, code))
    for axes in grid[shown:]:
        axes.set_axis_off()
    first = f"first {shown} of {len(names)} classes, " if shown < len(names) else ""
    figure.suptitle(
        f"{first}principal plane of the features; numbers: real images, of {MOST_ROWS:,} at most, "
        "nearest to each learned one",
        fontsize="small",
    )
    with whole_file(path) as part:
        figure.savefig(part, format="png")


def _panel(axes: "Axes", found: Covered) -> None:
    """Real rows as dots in the colour of the image nearest to them, and how many there are."""
    from matplotlib import colormaps

    listed = np.array(colormaps[COLOURS].colors)  # type: ignore[attr-defined]  # a listed one
    colours = np.concatenate([listed[::2], listed[1::2]])  # strong ones before light ones
    x, y = found.rows.T
    axes.scatter(x, y, s=5, c=colours[found.cells % len(colours)], linewidths=0)
    for number, ((x, y), size) in enumerate(zip(found.images, found.sizes, strict=True)):
        colour = colours[number % len(colours)]
        axes.scatter(x, y, s=60, color=colour, marker="X", edgecolors="black", linewidths=0.8)
        axes.annotate(
            f"{size:,}", (x, y), xytext=(4, 4), textcoords="offset points", fontsize="x-small"
        )
    axes.set_xticks([])
    axes.set_yticks([])
