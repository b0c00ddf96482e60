"""Against plain loops in torch: one pool, and inside classes."""

import torch
from clock import measured
from loops import LOOPS, inside_classes
from report import heading, ratio, row, seconds, table
from setup import Setup
from vectors import class_codes, clouds, inputs_of, pick, selector_of

__all__ = ["measure_classes", "measure_pool"]

POOL = (20_000, 512)
PICKS = 2_000
CLASSES = ((50_000, 512, 10), (100_000, 256, 100))
"""Rows, width, classes."""

SHARE = 0.1


def measure_pool(setup: Setup) -> None:
    """Print a line for each method in one pool."""
    n, d = POOL
    k = PICKS // 5 if setup.quick else PICKS
    heading(
        "One pool, against plain loops",
        f"{k:,} picks of {n:,} × {d} float32, start included, against the loop in single "
        "precision that a reader would write with torch. The same picks: the share of rows that "
        "both chose (they round differently, and near ties are frequent).",
    )
    table(("method", "coreset", "plain torch", "times as fast", "same picks"))
    array = clouds(n, d)
    for name, loop in LOOPS.items():
        selector, inputs = selector_of(name, {}), lambda: inputs_of(array, setup.device)
        pick(selector, inputs(), 32)
        ours, picks = measured(lambda: pick(selector, inputs(), k))  # noqa: B023 (called at once)
        theirs, rows = measured(lambda: loop(torch.from_numpy(array), k))  # noqa: B023
        same = len(set(rows) & set(picks.rows.tolist())) / k
        row(name, seconds(ours), seconds(theirs), ratio(theirs / ours), f"{same:.0%}")
    print()


def measure_classes(setup: Setup) -> None:
    """Print a line for each shape and method inside classes."""
    heading(
        "Per class",
        f"{SHARE:.0%} of the rows, the budget shared in proportion, start included; the plain "
        "loop runs in one class after another.",
    )
    table(("rows × width", "classes", "method", "coreset", "plain torch", "times as fast"), words=3)
    for n, d, c in CLASSES[1:] if setup.quick else CLASSES:
        array, codes = clouds(n, d, c=c), class_codes(n, c)
        for name, loop in LOOPS.items():
            selector = selector_of(name, {}, "proportional")
            k = int(SHARE * n)
            pick(selector, inputs_of(array, setup.device, codes), c)
            ours = measured(lambda: pick(selector, inputs_of(array, setup.device, codes), k))[0]  # noqa: B023
            theirs = measured(lambda: inside_classes(loop, array, codes, SHARE))[0]  # noqa: B023
            row(f"{n:,} × {d}", c, name, seconds(ours), seconds(theirs), ratio(theirs / ours))
    print()
