"""Samples made ready on a few threads while the encoder computes; a few batches ahead at most."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coreset_cli.artifacts.content import sample_hash
from coreset_cli.commands.embedding.request import Source
from coreset_cli.errors import BrokenImage
from coreset_cli.io.image import decode

__all__ = ["Batch", "Ready", "feed", "grouped", "hashed", "prepared"]

THREADS = min(8, max(1, (os.cpu_count() or 1) - 1))
"""One core is for the encoder: small images are decoded under the interpreter's lock, and a second
thread on two cores made 10,000 of 32 pixels 15 % slower."""

AHEAD = 3
"""Batches in work or waiting: enough to cover a slow one, and memory stays bounded."""

Stored = bytes | str | None
"""A sample as it is stored."""


@dataclass(frozen=True)
class Ready:
    """A sample made ready.

    Args:
        hash: of the sample as stored.
        tensor: what the encoder takes; nothing where the sample is broken.
        reason: why it is broken.
    """

    hash: bytes
    tensor: Tensor | None
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Consecutive samples.

    Args:
        start: row of the first.
        samples: made ready, in order.
        seconds: of processor time that took.
    """

    start: int
    samples: Sequence[Ready]
    seconds: float

    @property
    def stop(self) -> int:
        """The row behind the last."""
        return self.start + len(self.samples)


def hashed(stored: Stored) -> bytes:
    """Hash of a sample as it is stored."""
    return sample_hash(stored.encode() if isinstance(stored, str) else stored)


def prepared(stored: Stored, prepare: Callable[[Any], Tensor]) -> Ready:
    """Decode a sample and make it ready for the encoder.

    Args:
        stored: an encoded image, or a text.
        prepare: the encoder's.
    """
    digest = hashed(stored)
    try:
        return Ready(digest, prepare(stored if isinstance(stored, str) else decode(stored)))
    except BrokenImage as error:
        return Ready(digest, None, str(error))


def grouped(source: Source, start: int, size: int) -> Iterator[tuple[int, list[Stored]]]:
    """Rows from one on in groups of a size; the last may be smaller.

    Args:
        source: of the samples.
        start: the first row.
        size: of a group.
    """
    waiting: list[Stored] = []
    for _, samples in source.batches(start):
        waiting += samples
        while len(waiting) >= size:
            yield start, waiting[:size]
            waiting = waiting[size:]
            start += size
    if waiting:
        yield start, waiting


def feed(
    source: Source, prepare: Callable[[Any], Tensor], *, start: int, size: int
) -> Generator[Batch, None, None]:
    """Batches in order, from a row on.

    Args:
        source: of the samples.
        prepare: the encoder's.
        start: the first row.
        size: of a batch.
    """
    pool = ThreadPoolExecutor(THREADS, "decode", _one_thread_each)
    work: deque[tuple[int, list[Future[tuple[list[Ready], float]]]]] = deque()
    share = -(-size // THREADS)

    def finished() -> Batch:
        first, parts = work.popleft()
        done = [part.result() for part in parts]
        samples = [sample for some, _ in done for sample in some]
        return Batch(first, samples, sum(seconds for _, seconds in done))

    try:
        for first, group in grouped(source, start, size):
            parts = [group[place : place + share] for place in range(0, len(group), share)]
            work.append((first, [pool.submit(_some, part, prepare) for part in parts]))
            if len(work) == AHEAD:
                yield finished()
        while work:
            yield finished()
    finally:
        pool.shutdown(cancel_futures=True)


def _some(group: Sequence[Stored], prepare: Callable[[Any], Tensor]) -> tuple[list[Ready], float]:
    started = time.thread_time()
    return [prepared(stored, prepare) for stored in group], time.thread_time() - started


def _one_thread_each() -> None:
    """Keep torch from starting threads below each of ours."""
    torch.set_num_threads(1)
