"""One pool: what a pick takes, as a multiple of reading the rows once."""

from collections.abc import Mapping

import numpy as np
from clock import pace
from floor import floor, quantised, shapes
from numpy.typing import NDArray
from report import heading, ratio, row, seconds, table
from setup import Setup
from vectors import clouds, inputs_of, pick, selector_of

__all__ = ["measure"]

METHODS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("gm l2", "gm", {"match": "l2"}),
    ("gm cosine", "gm", {"match": "cosine"}),
    ("herding", "herding", {}),
    ("k-center", "k-center", {}),
)


def measure(setup: Setup) -> None:
    """Print a line for each shape, type and method."""
    heading(
        "One pool",
        "A pick is the slope between a short selection and a long one of so many picks; the start "
        "is what is left: reading, rounding and the centre (for `gm` the geometric median, in so "
        "many steps). GB/s counts the rows as int16; the floors are those of the same run. "
        "Whoever skips rows can be below the floor.",
    )
    table(
        (
            *("rows × width", "stored", "method", "picks", "a pick", "GB/s"),
            *("× int16 floor", "× float32 floor", "start", "median"),
        ),
        words=3,
    )
    for n, d in shapes(setup):
        array = clouds(n, d)
        held = quantised(n, d)
        floors = (np.inf, np.inf)
        for which, (label, name, settings) in enumerate((*METHODS, METHODS[0])):
            if setup.quick and name == "herding":
                continue  # the loop of gm, to another centre
            now = (floor(buffer, setup.device) for buffer in (held, array))
            floors = tuple(map(min, floors, now))
            stored = array if which < len(METHODS) else array.astype(np.float16)
            _line(setup, stored, floors, label, name, settings)
    print()


def _line(
    setup: Setup,
    array: NDArray[np.floating],
    floors: tuple[float, ...],
    label: str,
    name: str,
    settings: Mapping[str, str],
) -> None:
    n, d = array.shape
    selector = selector_of(name, settings)
    found = pace(
        lambda k: pick(selector, inputs_of(array, setup.device), k),
        most=n // 4,
        budget=setup.budget,
        repeats=setup.repeats,
    )
    facts = pick(selector, inputs_of(array, setup.device), 1).facts
    steps = facts.get("median_iterations")
    row(
        f"{n:,} × {d}",
        array.dtype,
        label,
        f"{found.picks:,}",
        *_speed(found.pick, array.shape, floors),
        seconds(found.start),
        "" if steps is None else f"{steps:.0f}",
    )


def _speed(pick: float, shape: tuple[int, int], floors: tuple[float, ...]) -> tuple[str, ...]:
    """Cells of a pick's time, its bandwidth, and its multiples of the floors."""
    if pick <= 0:
        return ("lost in noise", *("" for _ in range(1 + len(floors))))
    rate = 2 * shape[0] * shape[1] / pick / 1e9
    return (f"{pick * 1e3:.3f} ms", f"{rate:.0f}", *(ratio(pick / one) for one in floors))
