"""Six ways to keep a tenth of a 2-D cloud, of which 0, 20 or 45 % was replaced by a far cluster.

What it shows: herding follows the mean out of the clean cloud, and at 45 % keeps attackers;
geometric median matching under `l2` follows the median and keeps hardly any. `easy` keeps none, but
sits off centre; `hard` and `moderate` keep many or none, as the attack happens to lie. `dot` and
`cosine` (in the table) keep about the attackers' share and more: in two dimensions directions say
little.

    python examples/toy.py out/

writes toy.png and prints the table, in a few seconds.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _arrays import Vectors, drawn, embeddings_of, median_of, normals, pick
from _drawing import BLACK, BLUE, GREEN, ORANGE, RED, WIDTH, print_table, save, styled
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from coreset_cli.seeds import Rng

N, K = 1000, 100
SHARES = (0.0, 0.2, 0.45)
ATTACK = np.array([8.0, 8.0])
SHOWN = {
    "random": ("random", {}),
    "easy": ("easy", {}),
    "hard": ("hard", {}),
    "moderate": ("moderate", {}),
    "herding": ("herding", {}),
    "gm l2": ("gm", {"match": "l2"}),
}
METHODS = {
    **SHOWN,
    "gm dot": ("gm", {"match": "dot"}),
    "gm cosine": ("gm", {"match": "cosine"}),
    "herding dot": ("herding", {"match": "dot"}),
}

MARKS = {
    "mean of the clean rows": {"color": BLACK, "marker": "P", "ms": 8.5},
    "geometric median of all rows": {"color": GREEN, "marker": "s", "ms": 6.5},
    "mean of the picks": {"color": ORANGE, "marker": "D", "ms": 4.5},
}
SPOT = {"linestyle": "", "mec": "white", "mew": 0.6}


@dataclass(frozen=True)
class Quality:
    """How good a selection is, or several on average.

    Args:
        corrupted: share of the picks that were replaced.
        error: distance of the picks' mean to the mean of the clean rows.
    """

    corrupted: float
    error: float


def cloud(share: float, rng: Rng) -> tuple[Vectors, NDArray[np.bool_]]:
    """[n, 2] rows of N(0, diag(4, 1)) turned by 30°, and which of them N((8, 8), I/4) replaced."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    vectors = normals(rng, "toy clean", N, 2) * [2, 1] @ np.array([[cos, sin], [-sin, cos]])
    bad = drawn(rng, "toy replaced", N, int(share * N))
    vectors[bad] = (ATTACK + normals(rng, "toy attack", N, 2) / 2)[bad]
    return vectors, bad


def select(method: str, vectors: Vectors, rng: Rng) -> NDArray[np.int64]:
    """[k] rows that a method keeps."""
    name, settings = METHODS[method]
    return pick(name, embeddings_of("toy", vectors, None), K, rng, **settings)


def judge(rows: NDArray[np.int64], vectors: Vectors, bad: NDArray[np.bool_]) -> Quality:
    """Compare a selection with the truth."""
    error = np.linalg.norm(vectors[rows].mean(0) - vectors[~bad].mean(0))
    return Quality(float(bad[rows].mean()), float(error))


def draw(axis: Axes, vectors: Vectors, bad: NDArray[np.bool_], rows: NDArray[np.int64]) -> None:
    """One panel: the cloud, the picks on top, three centres."""
    axis.scatter(*vectors[~bad].T, s=5, c="#BDBDBD", linewidths=0)
    axis.scatter(*vectors[bad].T, s=5, c=RED, alpha=0.5, linewidths=0)
    axis.scatter(*vectors[rows].T, s=10, c=BLUE, linewidths=0)
    median = median_of(embeddings_of("toy", vectors, None))
    centres = {
        "mean of the clean rows": vectors[~bad].mean(0),
        "geometric median of all rows": median,
        "mean of the picks": vectors[rows].mean(0),
    }
    for name, centre in centres.items():
        axis.plot(*centre, **MARKS[name], **SPOT, zorder=4)
    axis.set(xlim=(-6.4, 10.6), ylim=(-4.4, 10.6), aspect="equal", xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.spines[:].set(visible=True, color="#CCCCCC")
    found = judge(rows, vectors, bad)
    axis.set_xlabel(f"corrupted {found.corrupted:.0%}\nerror {found.error:.2f}", labelpad=3)


def figure(rng: Rng) -> plt.Figure:
    """Rows are corrupted shares, columns methods."""
    panels, axes = plt.subplots(3, 6, figsize=(WIDTH, 7.6))
    panels.subplots_adjust(left=0.035, right=0.995, top=0.9, bottom=0.125, wspace=0.05, hspace=0.3)
    for row, share in enumerate(SHARES):
        vectors, bad = cloud(share, rng)
        for column, method in enumerate(SHOWN):
            draw(axes[row, column], vectors, bad, select(method, vectors, rng))
        axes[row, 0].set_ylabel(f"{share:.0%} corrupted", fontsize=12)
    for axis, method in zip(axes[0], SHOWN, strict=True):
        axis.set_title(method, fontweight="bold")
    panels.suptitle(
        f"{K} of {N:,} rows kept: share of corrupted picks, distance of the picks' mean "
        "to the clean mean (seed 0; the cloud's short axis has σ = 1)",
        fontsize=12,
        y=0.985,
    )
    panels.legend(
        handles=[
            Line2D([], [], color="#BDBDBD", marker="o", ms=8, label="clean", **SPOT),
            Line2D([], [], color=RED, marker="o", ms=8, label="corrupted", **SPOT),
            Line2D([], [], color=BLUE, marker="o", ms=8, label="picked", **SPOT),
            *(Line2D([], [], label=name, **SPOT, **mark) for name, mark in MARKS.items()),
        ],
        loc="lower center",
        ncols=6,
    )
    return panels


def main(out: Path, seeds: int = 5) -> dict[tuple[str, float], Quality]:
    """Write toy.png; print and return the quality by method and corrupted share."""
    started = time.perf_counter()
    table: dict[tuple[str, float], Quality] = {}
    for share in SHARES:
        clouds = [cloud(share, Rng(seed)) for seed in range(seeds)]
        for method in METHODS:
            found = [
                judge(select(method, vectors, Rng(seed)), vectors, bad)
                for seed, (vectors, bad) in enumerate(clouds)
            ]
            table[method, share] = Quality(
                float(np.mean([q.corrupted for q in found])),
                float(np.mean([q.error for q in found])),
            )
    print_table(
        ["", *(f"{what} ψ={s:g}" for what in ("corrupted", "error") for s in SHARES)],
        [
            [
                method,
                *(f"{table[method, s].corrupted:.2f}" for s in SHARES),
                *(f"{table[method, s].error:.2f}" for s in SHARES),
            ]
            for method in METHODS
        ],
    )
    with styled():
        save(figure(Rng(0)), out / "toy.png")
    print(f"{time.perf_counter() - started:.1f} s, {seeds} seeds")
    return table


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
