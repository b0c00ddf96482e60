"""What a result must reach, or the run fails."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coreset_cli.artifacts.measured import ByGroup
from coreset_cli.artifacts.report import Cell, Gate, Interval
from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["WORST_GROUP", "Demand", "check_gates", "parse_gates", "percent", "points"]

NEEDS = {"accuracy": None, "relative": "full", "gain-over-random": "random", "worst-group": None}
"""Measures, and the baseline each is taken against."""

WORST_GROUP = "worst-group"
"""The measure that needs groups of test rows."""


@dataclass(frozen=True)
class Demand:
    """The least a measure may be.

    Args:
        measure: one of `NEEDS`.
        least: as a share: 0.8 is 80 %.
    """

    measure: str
    least: float

    def require_baseline(self, baselines: Sequence[str]) -> None:
        """Check that there is what the measure is taken against.

        Raises:
            InvalidParameter: it is not run.
        """
        needed = NEEDS[self.measure]
        if needed is not None and needed not in baselines:
            raise InvalidParameter(f"--fail-under {self.measure} needs --baselines {needed}")


def parse_gates(texts: Sequence[str]) -> tuple[Demand, ...]:
    """Demands from `measure=value`.

    Raises:
        InvalidParameter: an unknown measure, or no share.
    """
    demands = []
    for text in texts:
        measure, equals, value = (part.strip() for part in text.partition("="))
        if measure not in NEEDS:
            hint = did_you_mean(measure, NEEDS) or f"; there are {', '.join(NEEDS)}"
            raise InvalidParameter(f"--fail-under has no gate '{measure}'{hint}")
        try:
            least = float(value)
        except ValueError:
            least = math.nan
        if not equals or not -1 <= least <= 10:
            raise InvalidParameter(f"--fail-under {measure}=SHARE takes a share, not '{value}'")
        demands.append(Demand(measure, least))
    return tuple(demands)


def check_gates(demands: Sequence[Demand], cells: Sequence[Cell]) -> tuple[Gate, ...]:
    """Hold every result against every demand; baselines are held against none."""
    return tuple(
        _judged(demand, cell) for demand in demands for cell in cells if not cell.is_baseline
    )


def _judged(demand: Demand, cell: Cell) -> Gate:
    value, between = {
        "accuracy": (cell.accuracy, _between(cell.accuracy_interval, percent)),
        "relative": (cell.relative, ""),
        "gain-over-random": (cell.gain, _between(cell.gain_interval, points)),
        WORST_GROUP: _worst(cell.by_group),
    }[demand.measure]
    show = points if demand.measure == "gain-over-random" else percent
    if value is None:  # the full set predicts nothing right: relative to it there is no number
        value = 0.0
    passed = value >= demand.least
    verdict = "reaches" if passed else "is below"
    return Gate(
        measure=demand.measure,
        threshold=demand.least,
        value=value,
        passed=passed,
        message=f"{cell.name} at {cell.k:,} rows: {demand.measure} {show(value)}{between} "
        f"{verdict} the {show(demand.least)} demanded",
    )


def _worst(found: ByGroup | None) -> tuple[float | None, str]:
    """Accuracy of the worst group, with its name and interval."""
    if found is None:
        return None, ""
    return found.worst_accuracy, f" of {found.worst}{_between(found.worst_interval, percent)}"


def _between(interval: Interval | None, show: Callable[[float], str]) -> str:
    if interval is None:
        return " (interval –)"
    return f" (95 %: {show(interval.low)} … {show(interval.high)})"


def percent(share: float) -> str:
    """A share as a person reads it."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares as a person reads it."""
    return f"{100 * difference:+.1f} points".replace("-", "−")
