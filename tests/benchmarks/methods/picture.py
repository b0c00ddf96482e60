"""The figure: gap to random selection against the budget, a panel a set and corruption."""

from collections.abc import Sequence
from pathlib import Path

from cells import BUDGETS, CORRUPTIONS, MAIN, SETS
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from results import Board, Line

from coreset_cli.io.atomic import whole_file

__all__ = ["draw"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by readers of every kind of colour vision: Okabe & Ito, 2008."""

GREY = "#BBBBBB"

LOWEST = -25.0
"""Points of accuracy: what is farther below random is cut off."""

NAMES = {"cifar": "CIFAR-10N", "banking": "Banking77"}


def draw(boards: Sequence[Board], shown: Sequence[str], ceiling: str, path: Path) -> None:
    """Draw all methods in grey, some in colour, and what they could reach.

    Args:
        boards: what was measured.
        shown: titles to draw in colour.
        ceiling: title to draw dashed.
        path: of the PNG.
    """
    figure = Figure(figsize=(16, 8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(SETS), len(MAIN), sharex=True, sharey="row", squeeze=False)
    by_place = {(board.data, board.corruption): board for board in boards}
    for row, data in enumerate(SETS):
        highest = 5.0
        for column, corruption in enumerate(MAIN):
            axes, board = panels[row, column], by_place.get((data, corruption))
            if board is None:
                axes.set_axis_off()
                continue
            _panel(axes, board, shown, ceiling)
            tops = [100 * s.gap for line in board.lines.values() for s in line.scores.values()]
            highest = max([highest, *tops])
            axes.set_title(f"{NAMES[data]} · {CORRUPTIONS[corruption].title}", fontsize=11)
            if row == len(SETS) - 1:
                axes.set_xlabel("rows kept, %")
            if column == 0:
                axes.set_ylabel("points above stratified random")
        panels[row, 0].set_ylim(LOWEST, highest + 1)
    handles: dict[str, object] = {}
    for axes in panels.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=8, frameon=False
    )
    with whole_file(path) as part:
        figure.savefig(part, format="png")


def _panel(axes: Axes, board: Board, shown: Sequence[str], ceiling: str) -> None:
    axes.axhline(0, color="black", linewidth=1)
    for title, line in board.lines.items():
        if line.contender.kind == "method" and title not in shown:
            _curve(axes, line, "other methods", color=GREY, linewidth=0.8, zorder=1)
    for place, title in enumerate(shown):
        if title in board.lines:
            colour = COLOURS[place % len(COLOURS)]
            style = {"color": colour, "marker": "o", "markersize": 4, "linewidth": 2, "zorder": 3}
            _curve(axes, board.lines[title], title, **style)
    if ceiling in board.lines:
        style = {"color": "black", "linestyle": "--", "linewidth": 1.4, "zorder": 2}
        _curve(axes, board.lines[ceiling], ceiling, **style)
    axes.set_xscale("log")
    ticks = sorted(100 * float(budget) for budget in BUDGETS)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, place: f"{value:.0f}")
    axes.tick_params(labelbottom=True, labelleft=True)  # no panel leans on one that is not there
    axes.grid(color="#EEEEEE", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Axes, line: Line, label: str, **style: object) -> None:
    budgets = sorted(line.scores, key=float)
    x = [100 * float(budget) for budget in budgets]
    axes.plot(x, [100 * line.scores[budget].gap for budget in budgets], label=label, **style)
