"""Against the published algorithm of GM matching, as its authors' code is described.

Written from the description alone: rows at length 1; the geometric median of the rows as they are,
by Weiszfeld's steps from the mean until a step is at most 1e-5; at every pick the scores of all
rows are sorted in full, and the sorted rows are searched in a list of those already chosen.
Deviates: begins at the target, as ours does, instead of at a random row, and keeps target and
state apart; so both aim at the same, and only the way there differs.
"""

from collections.abc import Callable

import numpy as np
import torch
from clock import measured
from counterparts import float64_median
from numpy.typing import NDArray
from report import heading, ratio, row, seconds, table
from setup import Setup
from torch import Tensor
from vectors import class_codes, clouds, inputs_of, pick, selector_of

__all__ = ["measure"]

SHAPE = (20_000, 512)
PICKS = 2_000
CLASSES = 10

CUT = (
    f" Cut from {PICKS:,} picks because of --quick: the list search grows with the square of the "
    "picks, so the ratio of the whole run is larger."
)


def published(x: Tensor, k: int) -> list[int]:
    """k rows, by a full sort and a list search a pick."""
    unit = x / x.norm(dim=1, keepdim=True)
    target = _median(x)
    target = target / target.norm()
    theta = target.clone()
    chosen: list[int] = []
    for _ in range(k):
        order = torch.argsort(unit @ theta, descending=True)
        for row_number in order.tolist():
            if row_number not in chosen:
                break
        chosen.append(row_number)
        theta = theta + target - unit[row_number]
    return chosen


def _median(x: Tensor, most: int = 5_000, step: float = 1e-5) -> Tensor:
    y = x.mean(0)
    for _ in range(most):
        distances = (x - y).norm(dim=1)
        weights = 1 / torch.where(distances == 0, 1e-8, distances)
        before, y = y, (weights[:, None] * x).sum(0) / weights.sum()
        if (y - before).norm() <= step:
            break
    return y


def measure(setup: Setup) -> None:
    """Print one pool and per class, each with both objectives."""
    n, d = SHAPE
    k, cut = (PICKS // 10, CUT) if setup.quick else (PICKS, "")
    heading(
        "Against the published algorithm",
        f"{k:,} picks of {n:,} × {d} float32; per class: {CLASSES} classes, equal shares. The "
        "published code sorts all rows and searches a list of those chosen at every pick; this is "
        "its algorithm in our words (torch, single precision, a list of whole numbers, the same "
        "start), not its code. Objective: distance from the geometric median (float64 reference) "
        "to the mean of the picks, with rows and median at length 1, as both match (cosine), and "
        f"of the rows as they are; per class the mean over the classes. Smaller is better.{cut}",
    )
    table(
        ("what", "pool", "seconds", "times as fast", "objective, length 1", "as they are"), words=2
    )
    array, codes = clouds(n, d), class_codes(n, CLASSES)
    tensor = torch.from_numpy(array)

    def ours(match: str, balance: str | None) -> Callable[[], NDArray[np.int64]]:
        selector = selector_of("gm", {"match": match}, balance)
        labels = None if balance is None else codes
        pick(selector, inputs_of(array, setup.device, labels), 4 * CLASSES)
        return lambda: pick(selector, inputs_of(array, setup.device, labels), k).rows

    ways: dict[str, Callable[[], object]] = {
        "published": lambda: published(tensor, k),
        "coreset, cosine": ours("cosine", None),
        "coreset, l2": ours("l2", None),
        "random rows": lambda: np.random.default_rng(3).choice(n, k, replace=False),
    }
    _compare("one pool", array, np.zeros(n, np.int64), ways)
    ways = {
        "published": lambda: _in_classes(tensor, codes, k // CLASSES),
        "coreset, cosine": ours("cosine", "equal"),
        "coreset, l2": ours("l2", "equal"),
    }
    _compare(f"{CLASSES} classes", array, codes, ways)
    print()


def _compare(
    pool: str,
    array: NDArray[np.float32],
    codes: NDArray[np.int64],
    ways: dict[str, Callable[[], object]],
) -> None:
    """A line for each way; the first is the yardstick of speed."""
    centres = {code: float64_median(array[codes == code])[0] for code in np.unique(codes)}
    yardstick = 0.0
    for what, way in ways.items():
        took, rows = measured(way)
        yardstick = yardstick or took
        faster = "" if what == "random rows" else ratio(yardstick / took)
        both = (
            _objective(array, codes, np.asarray(rows), centres, unit=unit) for unit in (True, False)
        )
        row(what, pool, seconds(took), faster, *(f"{value:.5f}" for value in both))


def _objective(
    array: NDArray[np.float32],
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    centres: dict[int, NDArray[np.float64]],
    *,
    unit: bool,
) -> float:
    """Mean over the pools of the distance from median to mean of the picks.

    Args:
        array: [n, d] the rows.
        codes: [n] the pool of each row.
        rows: [k] the picks of all pools.
        centres: geometric median of each pool.
        unit: with rows and median at length 1.
    """
    found = []
    for code, centre in centres.items():
        picks, target = array[rows[codes[rows] == code]].astype(np.float64), centre
        if unit:
            picks /= np.linalg.norm(picks, axis=1, keepdims=True)
            target = centre / np.linalg.norm(centre)
        found.append(np.linalg.norm(target - picks.mean(0)))
    return float(np.mean(found))


def _in_classes(x: Tensor, codes: NDArray[np.int64], k: int) -> list[int]:
    chosen: list[int] = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        chosen += rows[published(x[rows], k)].tolist()
    return chosen
