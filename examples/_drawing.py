"""How the figures here look: one colour a method everywhere, distinct to colour-blind readers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe & Ito, "Color universal design", 2008.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, RED, PINK = "#0072B2", "#D55E00", "#CC79A7"
# Tol, "Colour schemes", SRON 2021; and a grey.
WINE, GREY = "#882255", "#8C8C8C"

METHOD_STYLE = {
    "random": {"color": GREY, "marker": "o"},
    "easy": {"color": SKY, "marker": "v"},
    "hard": {"color": PINK, "marker": "^"},
    "moderate": {"color": WINE, "marker": "s"},
    "k-center": {"color": GREEN, "marker": "p"},
    "herding": {"color": ORANGE, "marker": "D"},
    "gm cosine": {"color": RED, "marker": "P"},
    "gm l2": {"color": BLUE, "marker": "X"},
    "mean of all rows": {"color": "#CCCCCC", "lw": 7},
    "geometric median": {"color": "#9ED9C5", "lw": 7},
}
"""Colour and marker of each line: never told apart by colour alone."""

SETTINGS = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.markersize": 7,
}

WIDTH = 12.0
"""Inches; at 100 dots an inch the figure is 1,200 pixels wide, and it is saved at twice that."""


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, making its folder, and let go of the figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=200)
    plt.close(figure)
    print(f"wrote {path}")


def styled() -> AbstractContextManager[None]:
    """A context in which figures are drawn."""
    return mpl.rc_context(SETTINGS)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left and numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())
