"""Seconds: of one call, the best of several, and of one more pick."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Pace", "best", "measured", "pace", "timed"]

T = TypeVar("T")

FEW = 16
"""Picks of the shorter run: what it takes is nearly all start."""

SHORT = 2.0
"""Seconds: longer calls are made once."""


@dataclass(frozen=True)
class Pace:
    """How long a selection takes, as start + picks · pick.

    Args:
        start: seconds before the first pick.
        pick: seconds of each pick.
        picks: of the longer of the two runs.
    """

    start: float
    pick: float
    picks: int


def measured(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a call, and what it returned; where it is short, of the fastest of three."""
    took, result = timed(work)
    if took > SHORT:
        return took, result
    return min(took, best(work, 2)), result


def best(work: Callable[[], object], repeats: int) -> float:
    """Least seconds of several calls; whoever calls this has warmed up."""
    return min(timed(work)[0] for _ in range(repeats))


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of one call, and what it returned."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def pace(work: Callable[[int], object], *, most: int, budget: float, repeats: int) -> Pace:
    """Start and slope from a short run and a long one, each the best of several.

    Args:
        work: select so many rows, from nothing.
        most: picks of the long run at most.
        budget: seconds that the picks of the long run should take at least.
        repeats: further runs of either length.
    """
    work(FEW)  # compiles, and brings the rows into memory

    def once(picks: int) -> float:
        return timed(lambda: work(picks))[0]

    short, picks = min(once(FEW), once(FEW)), min(4 * FEW, most)
    while True:
        short, long = min(short, once(FEW)), once(picks)
        if long - short >= budget or picks == most:
            short = min(short, *(once(FEW) for _ in range(repeats)))
            long = min(long, *(once(picks) for _ in range(repeats)))
        if long - short >= budget / 2 or picks == most:
            break
        picks = min(4 * picks, most)
    pick = (long - short) / (picks - FEW)
    return Pace(short - FEW * pick, pick, picks)
