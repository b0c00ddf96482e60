"""What `select` would read and cost, from a measurement of about a second."""

import time
from dataclasses import asdict, dataclass

from coreset_cli.artifacts.embeddings import Embeddings, open_embeddings
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import Request
from coreset_cli.commands.select_balance import build_selector
from coreset_cli.commands.select_loops import load_loops
from coreset_cli.commands.select_measure import measured_times
from coreset_cli.commands.select_memory import planned_memory
from coreset_cli.commands.select_score import given_column
from coreset_cli.commands.select_signals import signals_source
from coreset_cli.compose.judged import inside_classes
from coreset_cli.device import find_device
from coreset_cli.selector import Selector

__all__ = ["Plan", "plan"]

LOADED_SECONDS = 1.0
"""Seconds that loading loops takes at most where they were compiled before, as a dry run does."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would read and cost.

    Args:
        rows: of the input.
        width: values a row.
        dtype: of the values as stored.
        count: rows to pick.
        method: name of the method.
        balance: how classes share the budget.
        bytes_to_read: at most, over all passes, of values as stored and as rounded.
        temporary_bytes: of rounded rows that go to a temporary file.
        peak_memory: bytes of anonymous memory, start-up included.
        seconds: estimate of the whole but for start-up, as the manifest states it.
        full_pass_seconds: reading all values once.
        opening_seconds: of these, opening and loading.
        reading_seconds: of these, checking and digesting the values.
        training_seconds: of these, the probe that a method reads signals of.
        centre_seconds: of these, rounding and the centre; of a method that ranks all rows at once,
            all it does.
        picking_seconds: of these, the picks.
    """

    rows: int
    width: int
    dtype: str
    count: int
    method: str
    balance: str
    bytes_to_read: int
    temporary_bytes: int
    peak_memory: int
    seconds: float
    full_pass_seconds: float
    opening_seconds: float
    reading_seconds: float
    training_seconds: float
    centre_seconds: float
    picking_seconds: float

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        parts = ("opening", "reading", "training", "centre", "picking")
        times = ", ".join(f"{part} {getattr(self, f'{part}_seconds'):.1f}" for part in parts)
        filed = f", and {self.temporary_bytes / 1e9:.2f} GB in a temporary file"
        return [
            f"input     {self.rows:,} rows × {self.width:,} {self.dtype}",
            f"keep      {self.count:,} rows by {self.method}, balance {self.balance}",
            f"read      at most {self.bytes_to_read / 1e9:,.2f} GB over all passes",
            f"memory    {self.peak_memory / (1 << 30):.2f} GiB at most, mapped files not counted"
            + (filed if self.temporary_bytes else ""),
            f"time      about {self.seconds:.1f} s: {times}",
            "nothing was written",
        ]


def plan(request: Request) -> Plan:
    """Run a part of the selection for about a second and multiply.

    Raises:
        CoresetError: whatever `select` would raise before it reads.
    """
    started = time.perf_counter()
    method = make_method(request.method, request.settings)
    device = find_device(request.device)
    data = open_embeddings(
        request.paths, column=request.column, ids=request.ids, label=request.label
    )
    n, k = data.matrix.n, request.budget.rows(data.matrix.n)
    selector = build_selector(method, request.balance, data, request.min_per_class)
    classes = inside_classes(selector)
    opened = time.perf_counter()
    load_loops(selector, n * data.matrix.d, device)
    opening = opened - started + min(time.perf_counter() - opened, LOADED_SECONDS)
    column = given_column(request.signals, method, selector, data, ids=request.ids)
    source = signals_source(request.signals if column is None else None, selector, data)
    beside = 0 if source is None else source.memory(data)
    memory = planned_memory(
        data, selector, k, limit=request.max_memory, device=device, beside=beside
    )
    memory.require(request.max_memory, n)
    training = 0.0 if source is None else source.seconds(data, device)
    times = measured_times(data, selector, k, device=device, room=memory.room)
    return Plan(
        rows=n,
        width=data.matrix.d,
        dtype=data.matrix.dtype.name,
        count=k,
        method=request.method,
        balance="none" if classes is None else classes.balance,
        bytes_to_read=_bytes_to_read(data, selector, k),
        temporary_bytes=memory.filed,
        peak_memory=memory.peak,
        seconds=opening + times.reading + training + times.centre + times.picking,
        full_pass_seconds=times.reading,
        opening_seconds=opening,
        reading_seconds=times.reading,
        training_seconds=training,
        centre_seconds=times.centre,
        picking_seconds=times.picking,
    )


def _bytes_to_read(data: Embeddings, selector: Selector, k: int) -> int:
    """Once to check the values, then what the method reads, rounded rows at 2 bytes a value."""
    n, pools = data.matrix.n, 1
    if inside_classes(selector) is not None and data.labels is not None:
        pools = len(data.labels.names)
    cost = selector.cost(max(1, n // pools), max(1, k // pools))
    stored = (1 + cost.reads) * data.matrix.dtype.itemsize
    return int((stored + 2 * cost.passes) * n * data.matrix.d)
