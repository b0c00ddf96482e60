"""`corrupt`: images, labels or vectors in, the same damaged out, the truth recorded beside them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from coreset_cli.artifacts.embeddings import Embeddings, require_finite, scan
from coreset_cli.artifacts.manifest import InputRecord, Manifest
from coreset_cli.artifacts.pictures import record_of
from coreset_cli.commands.corrupting.job import Job, prepared
from coreset_cli.commands.corrupting.measure import measured
from coreset_cli.commands.corrupting.output import write
from coreset_cli.commands.corrupting.request import Request
from coreset_cli.device import peak_memory

__all__ = ["Plan", "Request", "corrupt", "plan", "summary"]

Watch = Callable[[str, int, int], None]
"""Told of a stage, the units done, and all of them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would write.

    Args:
        rows: of the input.
        counts: rows that each kind hits.
        bytes: of the images or vectors as they are; noise makes a PNG larger than a JPEG was.
        seconds: estimate from reading and damaging a few.
        output: where to.
        warnings: what the user should know.
    """

    rows: int
    counts: Mapping[str, int]
    bytes: int
    seconds: float
    output: str
    warnings: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        return [
            *(
                f"damage    {hit:,} of {self.rows:,} rows by {kind}"
                for kind, hit in self.counts.items()
            ),
            f"write     about {self.bytes / 1e6:,.1f} MB to {self.output}",
            f"time      about {self.seconds:.1f} s",
            "nothing was written",
        ]


def corrupt(request: Request, watch: Watch) -> Manifest:
    """Draw, read, damage and write.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    job = prepared(request)
    record = _record(job, lambda done, total: watch("reading", done, total))

    def describe() -> Manifest:
        return Manifest(
            command="corrupt",
            parameters={
                **job.orders.record(),
                "profile": request.profile,
                "checkpoint": None if request.checkpoint is None else str(request.checkpoint),
                "checkpoint_digest": job.checkpoint_digest,
                "id": request.ids,
                "label": request.label,
                "column": request.column,
            },
            inputs=(record,),
            seed=request.seed,
            count=len(job.samples.ids),
            exact=job.orders.attack is None,
            device=request.device,
            seconds=round(time.perf_counter() - started, 3),
            peak_memory=peak_memory(),
            warnings=job.warnings,
            facts={kind: float(count) for kind, count in job.counts().items()},
        )

    write(job, describe, lambda done, total: watch("damaging", done, total))
    return describe()


def plan(request: Request) -> Plan:
    """Draw the rows, and damage a few of them to see how long it takes.

    Raises:
        CoresetError: whatever `corrupt` would raise before it reads all rows.
    """
    job = prepared(request)
    size, seconds = measured(job)
    return Plan(
        rows=len(job.samples.ids),
        counts=job.counts(),
        bytes=size,
        seconds=seconds,
        output=str(request.output),
        warnings=job.warnings,
    )


def summary(manifest: Manifest) -> list[str]:
    """How many rows of what kind, as a person reads it."""
    rows = manifest.count
    return [f"{int(hit):,} of {rows:,} rows by {kind}" for kind, hit in manifest.facts.items()]


def _record(job: Job, progress: Callable[[int, int], None]) -> InputRecord:
    """What was read; vectors whose damage depends on all of them must be finite."""
    if not isinstance(job.samples, Embeddings):
        return record_of(job.samples, progress)
    found = scan(job.samples, progress)
    if job.orders.vectors:
        require_finite(job.samples, found)
    return found.record
