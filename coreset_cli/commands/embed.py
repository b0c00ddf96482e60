"""`embed`: images or texts in, vectors with their ids, labels and columns out.

Work is kept while it goes on and continued after any end, at a multiple of the batch, so that a
continued run computes the same batches as one run does.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import pyarrow as pa

from coreset_cli.artifacts.content import Content
from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.commands.embedding.compute import Watch, compute, taken_up
from coreset_cli.commands.embedding.feed import feed
from coreset_cli.commands.embedding.job import Job, prepare
from coreset_cli.commands.embedding.output import beside, content_digest, vectors_of, write
from coreset_cli.commands.embedding.partial import Partial, opened_partial
from coreset_cli.commands.embedding.request import Request
from coreset_cli.device import START_UP, peak_memory
from coreset_cli.errors import ArtifactIncomplete
from coreset_cli.io.atomic import write_text
from coreset_cli.io.matrix import Matrix, Shard

__all__ = ["Outcome", "Plan", "Request", "embed", "plan"]

FIRST = 3
"""Rows left out that messages and the manifest name; the list beside the output has all."""

SAMPLE = 3
"""Batches that a dry run computes; the first warms up."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Args:
        manifest: of the output.
        skipped: which rows were left out, in words; empty where none were.
    """

    manifest: Manifest
    skipped: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would compute and write.

    Args:
        rows: of the data.
        done: of them, by an earlier run that was stopped.
        encoder: as a user would write it.
        width: values a vector.
        dtype: of the vectors as stored.
        bytes: of the vectors.
        memory: that the process will take, about.
        seconds: that the rest will take, from a few batches.
        device: where.
        output: where to.
        warnings: what the user should know.
    """

    rows: int
    done: int
    encoder: str
    width: int
    dtype: str
    bytes: int
    memory: int
    seconds: float
    device: str
    output: str
    warnings: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        done = f", {self.done:,} of them are done" if self.done else ""
        return [
            f"embed     {self.rows:,} rows with {self.encoder} on {self.device}{done}",
            f"write     {self.rows:,} × {self.width} {self.dtype}, about "
            f"{self.bytes / 1e6:,.1f} MB, to {self.output}",
            f"memory    about {self.memory / 2**30:.1f} GiB",
            f"time      about {self.seconds:,.1f} s",
            "nothing was written",
        ]


def plan(request: Request) -> Plan:
    """Open everything, compute a few batches, and say what the run would cost.

    Raises:
        CoresetError: whatever `embed` would raise before the first sample.
    """
    job = prepare(request)
    n, done = len(job.found), 0
    if request.partial.is_dir():
        with opened_partial(request.partial, job.key(), force=False) as kept:
            done = kept.done
    seconds = _seconds_a_row(job) * (n - done)
    return Plan(
        rows=n,
        done=done,
        encoder=job.encoder.text,
        width=job.encoder.width,
        dtype=request.dtype,
        bytes=job.bytes,
        memory=START_UP + job.memory,
        seconds=round(seconds, 2),
        device=str(job.encoder.device),
        output=str(request.output),
        warnings=job.found.source.warnings,
    )


def embed(request: Request, watch: Watch) -> Outcome:
    """Compute all vectors, or those that an earlier run did not, and write them.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    job = prepare(request)
    with opened_partial(request.partial, job.key(), force=request.force) as kept:
        content = taken_up(job, kept, watch)
        before = kept.done
        compute(job, kept, content, watch)
        notes = (f"continued at row {before:,} of an earlier run",) if before else ()
        outcome = _written(job, kept, content, notes, started, watch)
        kept.remove()
    return outcome


def _written(
    job: Job,
    kept: Partial,
    content: Content,
    notes: Sequence[str],
    started: float,
    watch: Watch,
) -> Outcome:
    request, skipped = job.request, kept.skipped
    columns = beside(job.found, request)
    shards = [Shard(request.output.name, kept.vectors(part)) for part in kept.parts]
    shards = [shard for shard in shards if len(shard.array)]
    if not shards:
        raise ArtifactIncomplete(
            f"{job.found.source.path}: none of {len(job.found)} rows can be read; the first: "
            f"{skipped[0][1]}"
        )
    table = columns.table
    if skipped:
        left = np.delete(np.arange(len(job.found)), [row for row, _ in skipped])
        table = table.take(pa.array(left))
    data = vectors_of(Matrix(shards), table, str(request.output))
    words = _in_words(job, skipped)
    warnings = (*job.found.source.warnings, *columns.notes, *notes, *filter(None, [words]))
    digest = content_digest(data)
    record = content.record(job.found.source, job.found.files)
    seconds = sum(part.seconds for part in kept.parts)

    def describe() -> Manifest:
        return Manifest(
            command="embed",
            parameters={
                "encoder": job.encoder.text,
                "weights": job.encoder.digest,
                "modality": request.modality,
                "dtype": request.dtype,
                "batch": job.batch,
                "on_error": request.on_error,
                "column": request.column,
                "id": request.ids,
                "label": request.label,
            },
            inputs=(record,),
            seed=request.seed,
            count=data.matrix.n,
            content_digest=digest,
            device=str(job.encoder.device),
            seconds=round(time.perf_counter() - started, 3),
            peak_memory=peak_memory(),
            warnings=warnings,
            facts={
                "skipped": len(skipped),
                "seconds_embedding": round(seconds, 3),
                "decoding_processor_seconds": round(sum(p.decoding for p in kept.parts), 3),
                "decoding_share": round(kept.decoding_share, 4),
            },
        )

    if skipped:
        lines = [f"{job.found.source.ids.values[row]}\t{reason}\n" for row, reason in skipped]
        write_text(request.skipped, "".join(lines))
    else:
        request.skipped.unlink(missing_ok=True)
    write(request.output, data, describe, lambda done, total: watch("writing", done, total))
    return Outcome(describe(), words)


def _in_words(job: Job, skipped: Sequence[tuple[int, str]]) -> str:
    """How many rows were left out, which are the first, and where all are listed."""
    if not skipped:
        return ""
    ids = [str(job.found.source.ids.values[row]) for row, _ in skipped[:FIRST]]
    more = ", …" if len(skipped) > FIRST else ""
    return (
        f"{len(skipped):,} of {len(job.found):,} rows were left out (id {', '.join(ids)}{more}); "
        f"{job.request.skipped} lists them with the reasons"
    )


def _seconds_a_row(job: Job) -> float:
    """Wall time a row takes, from a few batches."""
    rows = 0
    since = time.perf_counter()
    with closing(feed(job.found.source, job.encoder.prepare, start=0, size=job.batch)) as batches:
        for number, batch in enumerate(islice(batches, SAMPLE)):
            tensors = [sample.tensor for sample in batch.samples if sample.tensor is not None]
            if tensors:
                job.encoder.encode(tensors)
            rows += len(batch.samples)
            if number == 0 and batch.stop < len(job.found):
                rows, since = 0, time.perf_counter()
    return (time.perf_counter() - since) / max(1, rows)
