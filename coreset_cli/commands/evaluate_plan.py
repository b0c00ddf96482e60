"""What `evaluate` would do, and what it would cost."""

from dataclasses import asdict, dataclass
from pathlib import Path

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.selection_file import read_selection
from coreset_cli.commands.evaluate import find_trainer, memory_beside
from coreset_cli.commands.evaluation.data import Data, bytes_of, open_data
from coreset_cli.commands.evaluation.grouping import open_groups
from coreset_cli.commands.evaluation.groups import group_count
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.device import START_UP, find_device

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do.

    Args:
        rows: of the training file.
        width: values a row; 0 for images.
        test_rows: of the test file.
        cells: results and baselines.
        trainings: models to train at most; what is kept from earlier runs is not trained again.
        baseline_trainings: of those, for the baselines.
        largest: rows of the largest model.
        bytes_to_read: once over both files; methods read more.
        peak_memory: bytes of anonymous memory, start-up included.
        seconds: estimate of the training alone, from a measured product or step.
        baseline_seconds: of those, for the baselines.
        signals_seconds: estimate of the probes that methods read signals of, beside that.
    """

    rows: int
    width: int
    test_rows: int
    cells: int
    trainings: int
    baseline_trainings: int
    largest: int
    bytes_to_read: int
    peak_memory: int
    seconds: float
    baseline_seconds: float
    signals_seconds: float

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    @property
    def _what(self) -> str:
        return f"rows × {self.width:,}" if self.width else "images"

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        probes = ""
        if self.signals_seconds:
            probes = f" and about {self.signals_seconds:.0f} s of probes for their signals"
        return [
            f"train     {self.rows:,} {self._what}; test {self.test_rows:,} rows",
            f"cells     {self.cells}, at most {self.trainings} models to train, "
            f"{self.baseline_trainings} of them baselines",
            f"read      {self.bytes_to_read / 1e9:.2f} GB once; methods read more",
            f"memory    {self.peak_memory / (1 << 30):.2f} GiB at most, mapped files not counted",
            f"time      about {self.seconds:.0f} s of training, {self.baseline_seconds:.0f} s of "
            f"them for the baselines; selecting{probes} comes on top",
            "nothing was written",
        ]


def plan(request: Request) -> Plan:
    """Count the models and estimate what they cost.

    A few images are read, and of vectors those that a probe is timed on.

    Raises:
        CoresetError: whatever `evaluate` would raise before it reads.
    """
    data = open_data(request)
    trainer = find_trainer(request, data)
    sizes = sorted({budget.rows(data.n) for budget in request.budgets})
    results = sizes * len(request.methods)
    per_cell, per_row = request.seeds if trainer.draws else 1, data.pictures_a_row
    rivals = [
        per_row * k for k in sizes if "random" in request.baselines for _ in range(request.seeds)
    ]
    whole = [per_row * data.n] * per_cell if "full" in request.baselines else []
    largest = group_count(request, data.n)[1]
    needed = trainer.memory(largest)
    beside = memory_beside(data)
    source = open_groups(request, data)
    grouping = 0 if source is None else source.memory(data)
    at_once = trainer.workers(needed, request.max_memory, beside)
    runs = [per_row * k for k in results for _ in range(request.seeds)]
    files = [_pictures_in(path, data) for path in request.selections]
    fixed = [k for k in files for _ in range(per_cell)]
    return Plan(
        rows=data.n,
        width=data.train.matrix.d if isinstance(data.train, Embeddings) else 0,
        test_rows=len(data.test.ids),
        cells=len(results)
        + len(files)
        + bool(whole)
        + len(sizes) * ("random" in request.baselines),
        trainings=len(runs) + len(fixed) + len(rivals) + len(whole),
        baseline_trainings=len(rivals) + len(whole),
        largest=largest,
        bytes_to_read=bytes_of(data),
        peak_memory=START_UP
        + beside
        + max(data.choosing + _rounded_rows(request, data), grouping, at_once * needed),
        seconds=trainer.seconds(runs + fixed + rivals + whole, at_once),
        baseline_seconds=trainer.seconds(rivals + whole, at_once),
        signals_seconds=_signals_seconds(request, data),
    )


def _pictures_in(path: Path, data: Data) -> int:
    """What a model trains on for a file of the results: rows, or pictures."""
    learned = data.learned.get(path)
    if learned is not None:
        return learned.parts * len(learned)
    return data.pictures_a_row * len(read_selection(path).rows)


def _signals_seconds(request: Request, data: Data) -> float:
    """Of every probe, one a seed; a file is read by now."""
    probes = {c.source for c in data.choosers if c.source is not None and c.source.draws}
    if not isinstance(data.samples, Embeddings):
        return 0.0
    device = find_device(request.device)
    return request.seeds * sum(probe.seconds(data.samples, device) for probe in probes)


def _rounded_rows(request: Request, data: Data) -> int:
    """Bytes of the rows that methods round; they are gone when training begins."""
    if data.points is None or not request.methods:
        return 0
    rows = 2 * data.points.n * data.points.d
    return 2 * rows if rows <= data.points.room else 0
