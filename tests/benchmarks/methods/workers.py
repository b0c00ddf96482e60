"""A queue of jobs over a few processes of one thread each; a job that takes too long is ended."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from job import Job, Place, Record, run

from coreset_cli.io.atomic import write_text

__all__ = ["work_off"]

LOOK_SECONDS = 1.0

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def work_off(
    jobs: Iterator[Job],
    place: Place,
    *,
    workers: int,
    cap: float,
    until: float,
    said: Callable[[Job, Record], None],
) -> None:
    """Run jobs until there are none left, or no more may start.

    Args:
        jobs: in order; the next one is asked for when a process is free.
        place: where they read and write.
        workers: processes at a time.
        cap: seconds after which a job is ended, and what it has is its result.
        until: `time.monotonic()` after which no job starts.
        said: told of every result, after it was written.
    """
    for name in THREADS:
        os.environ[name] = "1"
    crew = [_Worker(place) for _ in range(workers)]
    try:
        more = True
        while True:
            for one in crew:
                if one.job is None and more and time.monotonic() < until:
                    job = next(jobs, None)
                    more = job is not None
                    if job is not None:
                        one.start(job)
            busy = [one for one in crew if one.job is not None]
            if not busy:
                return
            wait([one.line for one in busy], LOOK_SECONDS)
            for one in busy:
                job, record = one.job, one.heard(cap)
                if record is not None and job is not None:
                    _write(job.file(place.folder), record)
                    said(job, record)
    finally:
        for one in crew:
            one.end()


def _write(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record, indent=1))


@dataclass
class _Worker:
    """A process, and the job it has."""

    place: Place
    job: Job | None = None
    line: Connection = field(init=False)
    _process: BaseProcess | None = None
    _begun: float = 0.0
    _so_far: Record = field(default_factory=dict)

    def start(self, job: Job) -> None:
        """Hand over a job."""
        if self._process is None:
            context = get_context("spawn")
            self.line, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self.place), daemon=True)
            self._process.start()
            theirs.close()
        self.job, self._begun, self._so_far = job, time.monotonic(), {"budgets": {}, "notes": []}
        self.line.send(job)

    def heard(self, cap: float) -> Record | None:
        """The result, if there is one by now."""
        try:
            while self.line.poll():
                self._so_far = self.line.recv()
        except EOFError:
            return self._stopped("error", "the process ended by itself; out of memory?", cap)
        if self._so_far.get("status") in {"done", "error"}:
            self.job = None
            return self._so_far
        if time.monotonic() - self._begun > cap:
            return self._stopped("stopped", f"stopped after {cap:.0f} s", cap)
        return None

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.line.close()
            self._process = None

    def _stopped(self, status: str, reason: str, cap: float) -> Record:
        self.end()
        self.job = None
        seconds = round(time.monotonic() - self._begun, 3)
        return {**self._so_far, "status": status, "error": reason, "cap": cap, "seconds": seconds}


def _serve(line: Connection, place: Place) -> None:
    """Do one job after another until nobody asks for more."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks ends this process
    torch.set_num_threads(1)
    while True:
        try:
            job = line.recv()
            line.send(run(job, place, line.send))
        except (EOFError, BrokenPipeError):
            return
