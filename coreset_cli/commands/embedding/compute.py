"""The rows of a job, computed part by part and kept as they are done."""

import time
from collections.abc import Callable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.content import Content
from coreset_cli.commands.embedding.feed import Batch, feed, grouped, hashed
from coreset_cli.commands.embedding.job import Job
from coreset_cli.commands.embedding.partial import Part, Partial, hashes_digest
from coreset_cli.errors import ArtifactIncomplete, NotFinite, StaleParent

__all__ = ["Watch", "compute", "taken_up"]

Watch = Callable[[str, int, int], None]
"""Told of a stage, the units done, and all of them."""

PART_ROWS = 2048
PART_SECONDS = 20.0
"""A part is kept when it has so many rows, or took so long: what a kill can cost."""

Done = tuple[Batch, NDArray[np.generic], list[tuple[int, str]]]
"""A batch, the vectors of its rows, and the rows of it that are left out."""


def taken_up(job: Job, kept: Partial, watch: Watch) -> Content:
    """Read the samples of finished parts again, for the digest of all and to see them unchanged.

    Raises:
        StaleParent: they have changed since.
        ArtifactIncomplete: a row was left out, and now none may be.
    """
    content = Content(len(job.found), job.request.modality)
    hashes: list[bytes] = []
    while len(hashes) < kept.done:
        for _, group in grouped(job.found.source, len(hashes), job.batch):
            hashes += [hashed(stored) for stored in group]
            watch("checking", min(len(hashes), kept.done), kept.done)
            if len(hashes) >= kept.done:
                break
    for part in kept.parts:
        if hashes_digest(hashes[part.start : part.stop]) == part.inputs:
            continue
        if job.request.force:
            kept.restart()
            return content
        raise StaleParent(
            f"{job.found.source.path} has changed in rows {part.start} to {part.stop - 1} since "
            f"{kept.folder} was written; use --force to start again"
        )
    if job.request.on_error == "fail" and kept.skipped:
        raise _broken(job, *kept.skipped[0])
    content.add(hashes[: kept.done])
    return content


def compute(job: Job, kept: Partial, content: Content, watch: Watch) -> None:
    """Compute the rows that are not done yet.

    Raises:
        ArtifactIncomplete: a sample is broken, and none may be left out.
        NotFinite: a vector holds NaN or Inf.
    """
    n, before = len(job.found), kept.done
    if before == n:
        return
    part = _Open(kept)
    try:
        ready = feed(job.found.source, job.encoder.prepare, start=before, size=job.batch)
        with closing(ready) as batches:
            for batch in batches:
                broken = [
                    (row, sample.reason)
                    for row, sample in enumerate(batch.samples, batch.start)
                    if sample.tensor is None
                ]
                if broken and job.request.on_error == "fail":
                    raise _broken(job, *broken[0])
                content.add([sample.hash for sample in batch.samples])
                part.add((batch, _vectors(job, batch), broken))
                watch("embedding", batch.stop - before, n - before)
    finally:
        part.keep()


class _Open:
    """The part that is being computed.

    Args:
        kept: where to, once it is done.
    """

    def __init__(self, kept: Partial) -> None:
        self.kept = kept
        self.done: list[Done] = []
        self.since, self.processor = time.perf_counter(), time.process_time()

    def add(self, done: Done) -> None:
        """Go on with a batch."""
        self.done.append(done)
        rows = done[0].stop - self.done[0][0].start
        if rows >= PART_ROWS or time.perf_counter() - self.since >= PART_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Keep what is done, if anything is."""
        if not self.done:
            return
        now, processor = time.perf_counter(), time.process_time()
        hashes = [sample.hash for batch, _, _ in self.done for sample in batch.samples]
        part = Part(
            start=self.done[0][0].start,
            stop=self.done[-1][0].stop,
            skipped=tuple(row for _, _, broken in self.done for row in broken),
            inputs=hashes_digest(hashes),
            decoding=round(sum(batch.seconds for batch, _, _ in self.done), 6),
            processor=round(processor - self.processor, 6),
            seconds=round(now - self.since, 6),
        )
        self.kept.add(part, np.concatenate([vectors for _, vectors, _ in self.done]))
        self.done, self.since, self.processor = [], now, processor


def _vectors(job: Job, batch: Batch) -> NDArray[np.generic]:
    """[m e] vectors of the samples of a batch that are not broken, as they will be stored."""
    tensors = [sample.tensor for sample in batch.samples if sample.tensor is not None]
    if not tensors:
        return np.empty((0, job.encoder.width), job.request.dtype)
    single = job.encoder.encode(tensors)
    with np.errstate(over="ignore"):
        stored = single.astype(job.request.dtype)
    bad = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if len(bad):
        rows = [
            row
            for row, sample in enumerate(batch.samples, batch.start)
            if sample.tensor is not None
        ]
        name = job.found.name(rows[bad[0]])
        if np.isfinite(single[bad[0]]).all():
            raise NotFinite(f"{name}: the vector has values beyond float16; use --dtype float32")
        raise NotFinite(
            f"{name}: the vector holds NaN or Inf; the weights of {job.encoder.text} may be "
            "damaged, name others with --encoder"
        )
    return stored


def _broken(job: Job, row: int, reason: str) -> ArtifactIncomplete:
    return ArtifactIncomplete(
        f"{job.found.name(row)} cannot be read: {reason}; mend it, or leave such rows out with "
        "--on-error skip: what is done is not lost"
    )
