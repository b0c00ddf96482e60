"""What `evaluate` found: one record a cell, with everything that decided it, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from coreset_cli.artifacts.manifest import InputRecord, read_record, versions
from coreset_cli.artifacts.measured import ByGroup, Grouping, Interval, Share
from coreset_cli.errors import FileMissing, SchemaMismatch
from coreset_cli.io.atomic import write_text

__all__ = [
    "Cell",
    "Gate",
    "Interval",
    "Report",
    "Run",
    "Share",
    "Truth",
    "read_report",
    "write_report",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One trained model.

    Args:
        seed: the seeds that gave this selection; more than one where the seed decides nothing.
        accuracy: share of the test rows predicted right.
        converged: every fit reached its minimum.
        selecting_seconds: wall time of the selection, where it was made here.
        training_seconds: wall time of training, and of choosing C, when it was trained.
        cached: trained by an earlier run.
        selection_digest: SHA-256 of the ids, one a line, in rank order.
        cost: the C chosen, of a linear model.
        best_accuracy: of the best epoch on the test rows, of a network; `accuracy` is of the last.
        best_epoch: that epoch, from 1 on.
    """

    seed: tuple[int, ...]
    accuracy: float
    converged: bool
    selecting_seconds: float | None
    training_seconds: float
    cached: bool
    selection_digest: str
    cost: float | None = None
    best_accuracy: float | None = None
    best_epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the recorded truth says of the rows kept, mean over the runs.

    Args:
        corrupted: rows whose `corruption` is not null.
        by_type: the same for each name of a corruption.
        mislabelled: rows whose `clean_label` is not their training label.
        clean_recall: clean rows kept, of those that could have been.
    """

    corrupted: Share | None = None
    by_type: Mapping[str, Share] = field(default_factory=dict)
    mislabelled: Share | None = None
    clean_recall: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One selection, or one method at one budget over all seeds, or a baseline.

    Args:
        name: of the method, the file or the baseline.
        kind: `file`, `method`, `synthetic`, `random` or `full`.
        k: rows trained on; images as they are stored, of a synthetic set.
        share: of all rows.
        balance: how classes shared the budget.
        runs: one a trained model.
        accuracy: mean over the runs.
        accuracy_interval: where anything varies.
        gain: accuracy less that of stratified random at the same budget and balance.
        gain_interval: of that difference.
        relative: accuracy over that of the full set.
        worst_class: label of the test class that is predicted worst.
        worst_accuracy: accuracy on that class, mean over the runs.
        truth: shares of bad rows, where the truth is recorded.
        to_clean_mean: distance of the selection's mean to the mean of the clean rows (of all rows
            where no truth is recorded), mean over the runs, where there are vectors.
        to_median: distance of the selection's mean to the geometric median of all rows.
        best: accuracy of the best epochs, mean over the runs, of networks.
        by_group: over groups of test rows, where some were asked for.
        factor: each stored image of a synthetic set is decoded to so many by so many pictures.
        core: rows that are no support rows, where rows have roles; of random, rows that stand for
            them.
        accounting: whether support rows are among the rows asked for (`counted`) or came beside
            them (`uncounted`, as ECHO's paper has it); `not stated` where a file does not say.
    """

    name: str
    kind: str
    k: int
    share: float
    balance: str
    runs: tuple[Run, ...]
    accuracy: float
    accuracy_interval: Interval | None
    gain: float | None
    gain_interval: Interval | None
    relative: float | None
    worst_class: str
    worst_accuracy: float
    truth: Truth
    to_clean_mean: float | None = None
    to_median: float | None = None
    best: float | None = None
    by_group: ByGroup | None = None
    factor: int = 1
    core: int | None = None
    accounting: str | None = None

    @property
    def curve(self) -> str:
        """Cells of one curve over budgets: random rows with roles and without are two."""
        has_roles = self.kind == "random" and self.core is not None
        return f"{self.name} (core and support)" if has_roles else self.name

    @property
    def is_baseline(self) -> bool:
        """Stands beside the results, and is held to no gate."""
        return self.kind in {"random", "full"}

    @property
    def no_better_than_random(self) -> bool:
        """The interval of the gain holds 0, or lies below it."""
        return self.gain_interval is not None and self.gain_interval.low <= 0


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What `--fail-under` demanded of a cell, and whether it held.

    Args:
        measure: `accuracy`, `relative`, `gain-over-random` or `worst-group`.
        threshold: the least value that passes.
        value: what the cell has.
        passed: value ≥ threshold.
        message: one line, naming the cell and its interval.
    """

    measure: str
    threshold: float
    value: float
    passed: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything `evaluate` has to say.

    Args:
        train: what was selected from and trained on.
        test: what it was judged by.
        model: family of the model.
        recipe: its hyperparameters.
        parameters: resolved options.
        proxy_data: `clean`, `corrupted` or `not stated`: what the encoder and any proxy saw.
        seed: of the resamples.
        resamples: of the bootstrap.
        cells: results and baselines.
        fidelity: Integrated Fidelity Score of each method over its budgets.
        gates: demands and outcomes.
        warnings: what the user should know.
        device: where selections ran.
        seconds: wall time of everything.
        grouping: of the test rows, where groups were asked for.
        schema: version of this record.
        versions: of what decides the numbers.
    """

    train: InputRecord
    test: InputRecord
    model: str
    recipe: Mapping[str, Any]
    parameters: Mapping[str, Any]
    proxy_data: str
    seed: int
    resamples: int
    cells: tuple[Cell, ...]
    fidelity: Mapping[str, float]
    gates: tuple[Gate, ...]
    warnings: tuple[str, ...]
    device: str
    seconds: float
    grouping: Grouping | None = None
    schema: int = SCHEMA_VERSION
    versions: Mapping[str, str] = field(default_factory=versions)

    def to_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Report":
        """Read a record; keys of later versions are passed over.

        Raises:
            KeyError: a key is not there.
            TypeError: a value of another type.
        """
        return _built(cls, record)


def write_report(path: Path, report: Report) -> None:
    """Write a report whole; whether it may replace a file was asked before the work.

    Raises:
        DiskFull: no space left.
    """
    write_text(path, report.to_json() + "\n")


def read_report(path: Path) -> Report:
    """Read a report.

    Raises:
        FileMissing: no such file.
        ArtifactIncomplete: no JSON: truncated or damaged.
        SchemaMismatch: JSON of something else.
    """
    if not path.is_file():
        raise FileMissing(f"no such file: {path}")
    record = read_record(path.read_bytes(), str(path))
    try:
        return Report.from_dict(record)
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaMismatch(f"{path} is no report of `coreset evaluate` ({error})") from error


def _built(kind: Any, value: Any) -> Any:  # noqa: ANN401 (whatever the field's type says)
    """A value of a declared type from what JSON made of it."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        given = [f.name for f in fields(kind) if f.name in value or f.default is MISSING]
        return kind(**{name: _built(hints[name], value[name]) for name in given})
    if origin in (Union, UnionType):
        present = next(k for k in inner if k is not NoneType)
        return None if value is None else _built(present, value)
    if origin is tuple:
        return tuple(_built(inner[0], v) for v in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _built(inner[1], v) for key, v in value.items()}
    return value
