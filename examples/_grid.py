"""What a grid of conditions, methods and budgets found: intervals, tables and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from _drawing import BLACK, METHOD_STYLE, WIDTH, print_table
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, PercentFormatter
from numpy.typing import NDArray

from coreset_cli.training.bootstrap import interval_of, resample

FLOOR = 0.6
"""Lowest accuracy in the figure; what is below is said in words."""


@dataclass(frozen=True)
class Result:
    """One trained model.

    Args:
        condition: how the training rows were corrupted.
        method: as the figure names it; `all rows` for no selection.
        ratio: share of the rows kept, as typed.
        correct: [t] which test rows it classifies correctly.
        corrupted: share of corrupted rows among those kept.
    """

    condition: str
    method: str
    ratio: str
    correct: NDArray[np.bool_]
    corrupted: float


@dataclass(frozen=True)
class Cell:
    """One method at one budget, over all seeds.

    Args:
        accuracy: mean over seeds and test rows.
        low: of its 95 % interval, seeds and test rows drawn anew; NaN where nothing varies.
        high: of the same.
        gain: accuracy less that of random subsets of the same size.
        gain_low: of its 95 % interval, on the same seeds and test rows.
        gain_high: of the same.
        corrupted: share of corrupted rows among those kept.
    """

    accuracy: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    corrupted: float


Key = tuple[str, str, str]
"""Condition, method and ratio; `all rows` has ratio 1."""

Table = dict[Key, Cell]


def summarised(results: Sequence[Result]) -> Table:
    """Means and intervals over the seeds; results of a cell come in the order of the seeds."""
    correct = np.stack([result.correct for result in results])
    drawn = resample(correct, np.arange(correct.shape[1]), seed=0)
    places: dict[Key, list[int]] = {}
    for place, result in enumerate(results):
        places.setdefault((result.condition, result.method, result.ratio), []).append(place)
    table: Table = {}
    for (condition, method, ratio), own in places.items():
        rival = places.get((condition, "random", ratio), own)
        # one name: a seed drew the corruption for all methods, so all see the same seeds again
        again, rival_again = (drawn.mean(runs, "seeds") for runs in (own, rival))
        table[condition, method, ratio] = Cell(
            float(correct[own].mean()),
            *(interval_of(again) or (np.nan, np.nan)),
            float(correct[own].mean() - correct[rival].mean()),
            *(interval_of(again - rival_again) or (np.nan, np.nan)),
            float(np.mean([results[place].corrupted for place in own])),
        )
    return table


def grid_tables(table: Table) -> None:
    """Print one table a condition: accuracy, gain over random at a tenth, corrupted rows kept."""
    for condition, methods, ratios in _grid(table):
        lines = []
        for method in methods:
            cells = [table[condition, method, ratio] for ratio in ratios]
            tenth = table[condition, method, "0.1"]
            gain, low, high = (100 * g for g in (tenth.gain, tenth.gain_low, tenth.gain_high))
            against = "" if method == "random" else f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]"
            accuracies = [f"{100 * cell.accuracy:.1f}" for cell in cells]
            lines.append([method, *accuracies, against, *(f"{c.corrupted:.2f}" for c in cells)])
        whole = 100 * table[condition, "all rows", "1"].accuracy
        print(
            f"\n{condition}: accuracy in %, all rows {whole:.1f}; bad: share of corrupted rows kept"
        )
        percents = [f"{float(ratio):.0%}" for ratio in ratios]
        print_table(
            ["kept", *percents, "10% − random [95 %]", *(f"bad {p}" for p in percents)], lines
        )


def grid_figure(table: Table) -> plt.Figure:
    """Accuracy against budget, one panel a condition."""
    grid = _grid(table)
    panels, axes = plt.subplots(2, 2, figsize=(WIDTH, 9.4), sharey=True)
    panels.subplots_adjust(left=0.07, right=0.985, top=0.955, bottom=0.135, wspace=0.05, hspace=0.2)
    for axis, (condition, methods, ratios) in zip(axes.flat, grid, strict=True):
        _draw(axis, condition, methods, ratios, table)
    for axis in axes[1]:
        axis.set_xlabel("share of the training rows kept")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy on clean test rows")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    panels.legend(
        handles,
        labels,
        loc="lower center",
        ncols=9,
        columnspacing=1.2,
        handlelength=1.6,
        bbox_to_anchor=(0.5, 0.03),
    )
    panels.text(
        0.5, 0.012, "bands: 95 % intervals over seeds and test rows", ha="center", color="#555555"
    )
    return panels


def _grid(table: Table) -> list[tuple[str, list[str], list[str]]]:
    """Conditions with their methods and ratios, in the order met; all rows apart."""
    parts = [key for key in table if key[1] != "all rows"]
    return [
        (
            condition,
            list(dict.fromkeys(m for c, m, _ in parts if c == condition)),
            list(dict.fromkeys(r for c, _, r in parts if c == condition)),
        )
        for condition in dict.fromkeys(c for c, _, _ in parts)
    ]


def _draw(
    axis: Axes, condition: str, methods: Sequence[str], ratios: Sequence[str], table: Table
) -> None:
    below = []
    budgets = np.array(ratios, float)
    for method in methods:
        cells = [table[condition, method, ratio] for ratio in ratios]
        style = METHOD_STYLE[method]
        accuracy = [cell.accuracy for cell in cells]
        axis.semilogx(budgets, accuracy, **style, label=method, mec="white", mew=0.5)
        lows, highs = [cell.low for cell in cells], [cell.high for cell in cells]
        axis.fill_between(budgets, lows, highs, color=style["color"], alpha=0.12, lw=0)
        if min(accuracy) < FLOOR:
            below.append(f"{method} {min(accuracy):.0%}")
    whole = table[condition, "all rows", "1"]
    axis.axhspan(whole.low, whole.high, color=BLACK, alpha=0.06, lw=0)
    axis.axhline(whole.accuracy, color=BLACK, ls="--", lw=1.4, label="all rows")
    axis.set_title(condition, loc="left", fontweight="bold")
    if below:
        axis.set_title("lowest: " + ", ".join(below), loc="right", fontsize=10.5, color="#555555")
    axis.set(ylim=(FLOOR, 1), xticks=budgets)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
