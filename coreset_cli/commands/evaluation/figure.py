"""The picture of a report: accuracy against budget, a band a method."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coreset_cli.artifacts.report import Cell, Report
from coreset_cli.io.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#7F3C8D")
"""Told apart by readers of every kind of colour vision: Okabe & Ito, 2008, and two more."""

MARKS = "os^DvPX*"
LINES = ("-", "--", "-.", ":")
GREY = "#5F5F5F"

SHIFT = 0.025
"""Part of the budget by which neighbouring bars stand apart."""

LOG_SPAN = 10
"""Budgets further apart than this factor are drawn on a logarithmic axis."""


def draw(report: Report, path: Path) -> None:
    """Draw accuracy against the number of rows kept, and write the picture whole."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = _curves(report.cells)
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for cell in report.cells:
        if cell.kind == "full":
            label = f"all {cell.k:,} rows"
            axes.axhline(100 * cell.accuracy, color="black", linewidth=1, label=label)
    for place, (name, cells) in enumerate(curves.items()):
        is_random = cells[0].kind == "random"
        _curve(
            axes,
            name,
            cells,
            colour=GREY if is_random else COLOURS[place % len(COLOURS)],
            mark="x" if is_random else MARKS[place % len(MARKS)],
            line=(0, (2, 2)) if is_random else LINES[place // len(COLOURS) % len(LINES)],
            shift=1 + SHIFT * (place - (len(curves) - 1) / 2),
        )
    _axes(axes, report, [cell.k for cells in curves.values() for cell in cells])
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    with whole_file(path) as part:
        figure.savefig(part, format=path.suffix.lower().removeprefix("."))


def _curves(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells of one name, by budget; results first, random last."""
    balances = {cell.balance for cell in cells if cell.kind == "random"}
    found: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.kind == "random", cell.k)):
        if cell.kind == "full":
            continue
        name = cell.curve
        if cell.kind == "random":
            name += f" ({cell.balance})" if len(balances) > 1 else " baseline"
        found.setdefault(name, []).append(cell)
    return found


def _curve(
    axes: "Axes",
    name: str,
    cells: Sequence[Cell],
    *,
    colour: str,
    mark: str,
    line: object,
    shift: float,
) -> None:
    """A line through the accuracies and a band over their intervals.

    A single budget has a bar, moved aside by the factor `shift`, so that bars do not hide bars.
    """
    k = [float(cell.k) for cell in cells]
    k = [shift * k[0]] if len(k) == 1 else k
    mean = [100 * cell.accuracy for cell in cells]
    ends = [cell.accuracy_interval for cell in cells]
    low = [100 * (e.low if e else c.accuracy) for e, c in zip(ends, cells, strict=True)]
    high = [100 * (e.high if e else c.accuracy) for e, c in zip(ends, cells, strict=True)]
    axes.plot(k, mean, color=colour, marker=mark, linestyle=line, markersize=5, label=name)
    if len(k) > 1:
        axes.fill_between(k, low, high, color=colour, alpha=0.15, linewidth=0)
    else:
        axes.vlines(k, low, high, color=colour, linewidth=1.2)


def _axes(axes: "Axes", report: Report, sizes: Sequence[int]) -> None:
    """Scales, names and a light grid."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axes.set_ylabel(f"test accuracy, % ({report.test.rows:,} rows)")
    axes.set_xlabel(f"rows kept of {report.train.rows:,}")
    axes.set_title("mean and 95 % interval", fontsize="small", loc="left")
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if not sizes:
        axes.xaxis.set_major_locator(NullLocator())
        return
    if max(sizes) > LOG_SPAN * min(sizes):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif len(set(sizes)) == 1:
        axes.set_xlim(0.8 * sizes[0], 1.2 * sizes[0])
    if len(set(sizes)) <= 6:
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(sizes))))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda k, place: f"{k:,.0f}"))
