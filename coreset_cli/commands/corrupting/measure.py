"""What a run would cost, from damaging a few rows."""

import time

import numpy as np

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.commands.corrupting.job import Job
from coreset_cli.commands.corrupting.output import damages_of

__all__ = ["measured"]

MEASURE_SECONDS = 0.5
"""How long a dry run measures."""

FEW = 256
"""Images of each kind that it damages at most."""

READ_BYTES_PER_SECOND = 200e6
"""Reading for the digest, and reading and writing once more; a disk may be slower."""


def measured(job: Job) -> tuple[int, float]:
    """Bytes of the input's images or vectors, and seconds that a run would take.

    Raises:
        CoresetError: one of the few images cannot be damaged.
    """
    samples = job.samples
    if isinstance(samples, Embeddings):
        size = samples.matrix.n * samples.matrix.d * samples.matrix.dtype.itemsize
        return size, size / READ_BYTES_PER_SECOND
    size = samples.data.size(np.arange(len(samples)))
    seconds = size / READ_BYTES_PER_SECOND
    damages = damages_of(job, samples)
    hit = np.concatenate([mark.rows for mark in job.marks]) if job.marks else np.empty(0, np.int64)
    few = np.sort(hit[:: max(1, len(hit) // FEW)][:FEW])
    if not len(few):
        return size, seconds
    spent, done = 0.0, 0
    for images in samples.take(few):
        spent -= time.perf_counter()
        for damage in damages:
            damage(few[done : done + len(images)], images)
        spent += time.perf_counter()
        done += len(images)
        if spent > MEASURE_SECONDS:
            break
    return size, seconds + spent * len(hit) / done
