"""What `select` would read and cost, from a measurement of half a second."""

import time
from dataclasses import asdict, dataclass

import torch

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import Request, build_selector, planned_memory
from coreset_cli.compose.per_class import PerClass
from coreset_cli.device import START_UP, find_device
from coreset_cli.kernels.points import Points

__all__ = ["Plan", "plan"]

MEASURE_SECONDS = 0.5
"""How long a dry run measures."""


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
        bytes_to_read: over all passes.
        peak_memory: bytes of anonymous memory, start-up included.
        seconds: estimate from reading and multiplying a part of the input.
        full_pass_seconds: of those, one pass.
    """

    rows: int
    width: int
    dtype: str
    count: int
    method: str
    balance: str
    bytes_to_read: int
    peak_memory: int
    seconds: float
    full_pass_seconds: float

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        return [
            f"input     {self.rows:,} rows × {self.width:,} {self.dtype}",
            f"keep      {self.count:,} rows by {self.method}, balance {self.balance}",
            f"read      {self.bytes_to_read / 1e9:.2f} GB over all passes",
            f"memory    {self.peak_memory / (1 << 30):.2f} GiB at most, mapped files not counted",
            f"time      about {self.seconds:.1f} s ({self.full_pass_seconds:.2f} s a pass)",
            "nothing was written",
        ]


def plan(request: Request) -> Plan:
    """Measure one pass over up to half a second of the input and multiply.

    Raises:
        CoresetError: whatever `select` would raise before it reads.
    """
    method = make_method(request.method, request.settings)
    device = find_device(request.device)
    data = open_embeddings(
        request.paths, column=request.column, ids=request.ids, label=request.label
    )
    n, k = data.matrix.n, request.budget.rows(data.matrix.n)
    selector = build_selector(method, request.balance, data, request.min_per_class)
    points = Points(data.matrix, data.ids.key(), device)
    vector = points.rows(torch.zeros(1, dtype=torch.int64))[0]
    started, done = time.perf_counter(), 0
    for start, block in points.blocks():
        (block @ vector).sum().item()
        done = start + len(block)
        if time.perf_counter() - started > MEASURE_SECONDS:
            break
    one_pass = (time.perf_counter() - started) * n / done
    passes = selector.passes(n, k) + 1
    if isinstance(selector, PerClass):
        classes = len(require_labels(data).names)
        passes = selector.passes(n // classes, max(1, k // classes)) + 1
    return Plan(
        rows=n,
        width=data.matrix.d,
        dtype=data.matrix.dtype.name,
        count=k,
        method=request.method,
        balance=selector.balance if isinstance(selector, PerClass) else "none",
        bytes_to_read=int(passes * n * data.matrix.d * data.matrix.dtype.itemsize),
        peak_memory=START_UP + planned_memory(data, k),
        seconds=one_pass * passes,
        full_pass_seconds=one_pass,
    )
