"""What was measured of a cell of a report, over rows kept and over groups of test rows."""

from dataclasses import dataclass

__all__ = ["ByGroup", "GroupScore", "Grouping", "Interval", "Share"]


@dataclass(frozen=True)
class Interval:
    """Between which two values 95 % of the resamples lie.

    Args:
        low: 2.5 % lie below.
        high: 2.5 % lie above.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """Rows of a kind among the rows kept.

    Args:
        kept: share among the selected, mean over the runs.
        base: share among all rows of the training file.
    """

    kept: float
    base: float


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How the test rows were divided into groups.

    Args:
        by: `column NAME`, or `clusters:K` of vectors or pixels.
        groups: how many.
        counted: of them, those that count as worst and in means over groups: they have 1 % of the
            test rows or more; all, where none has.
        assignment_digest: SHA-256 of the group of each test row, one a line, in row order.
        seed: of the clusters.
    """

    by: str
    groups: int
    counted: int
    assignment_digest: str
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """One group of test rows.

    Args:
        name: the value of the column, or the number of the cluster.
        rows: of the test file.
        accuracy: on them, mean over the runs.
        share: of the rows kept, where the training file has the column too.
    """

    name: str
    rows: int
    accuracy: float
    share: Share | None = None


@dataclass(frozen=True, kw_only=True)
class ByGroup:
    """Accuracy over groups of test rows, mean over the runs.

    Args:
        worst: name of the group that is predicted worst, of those that count.
        worst_rows: its test rows.
        worst_accuracy: on them.
        worst_interval: of that accuracy, the group held still.
        mean: over the groups that count, each alike.
        bottom_fifth: mean of the worst 20 % of these groups, a part of one where it must be.
        tail: accuracy of the fifth of all test rows that lies in the worst groups: 1 less the
            conditional value at risk, at level 0.2, of the error across groups.
        groups: all of them.
    """

    worst: str
    worst_rows: int
    worst_accuracy: float
    worst_interval: Interval | None
    mean: float
    bottom_fifth: float
    tail: float
    groups: tuple[GroupScore, ...]
