"""All methods on real data, clean and corrupted, against stratified random selection.

Run by `python tests/benchmarks/methods --data DIR --out FOLDER`.

Every result is a file of its own below FOLDER/results: the run can be interrupted at any time and
goes on where it stopped. A method that is new, or has other defaults, is run; what is there is not
run again, but for errors. To run a method again, remove its files. With `--write`, METHODS.md and
its figure are made of all results that are there; the section between its marks is kept.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cells import CORRUPTIONS, REFERENCE, SETS, UNSEEN, Cell, Contender, contenders, references
from document import write_document
from job import Job, Place, Record, read
from sets import has, prepare
from workers import work_off

from coreset_cli.device import memory_limit


def main() -> None:
    """Run what is left, then report."""
    options = _options()
    place = Place(options.out, memory_limit(None) // options.workers)
    jobs = list(_jobs(options))
    if options.minutes > 0:
        print(f"{_left(jobs, options)} jobs are left at most", flush=True)
        try:
            work_off(
                _ready(jobs, options),
                place,
                workers=options.workers,
                cap=options.cap,
                until=time.monotonic() + 60 * options.minutes,
                said=_say,
            )
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", flush=True)
    print(f"{_left(jobs, options)} jobs are left", flush=True)
    if options.write:
        write_document(place.folder, options.seeds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/methods", description=__doc__)
    data = os.environ.get("CORESET_TEST_DATA")
    parser.add_argument("--data", type=Path, default=data and Path(data), help="real data sets")
    parser.add_argument("--out", type=Path, default=Path("methods-results"), help="results")
    parser.add_argument("--minutes", type=float, default=110, help="start no job after these")
    parser.add_argument("--seeds", type=int, default=1, help="draws of corruption and methods")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--cap", type=float, default=900, help="seconds a job may take")
    parser.add_argument("--slow", type=float, default=300, help="seconds: above, one seed only")
    parser.add_argument("--only", action="append", help="methods, repeatable; references always")
    parser.add_argument("--cells", action="append", help="set or set-corruption, repeatable")
    parser.add_argument("--write", action="store_true", help="write METHODS.md and methods.png")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of real data with --data, or set CORESET_TEST_DATA")
    return options


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    """The first seed of everything, then the second; in a cell the references first."""
    for seed in range(options.seeds):
        for data in (*SETS, *UNSEEN):
            for corruption in CORRUPTIONS:
                cell = Cell(data=data, corruption=corruption, seed=seed)
                if not has(data, corruption) or not _is_asked(cell, options.cells):
                    continue
                yield from (Job(cell, one) for one in _of_cell(cell, options.only))


def _of_cell(cell: Cell, only: Sequence[str] | None) -> Iterator[Contender]:
    """What runs in a cell; the references of what is not drawn run once."""
    if cell.seed == 0 or CORRUPTIONS[cell.corruption].drawn:
        yield from references(cell)
    for one in contenders(cell.data, cell.corruption):
        if only is None or one.method in only or one.title in only:
            yield one


def _is_asked(cell: Cell, cells: Sequence[str] | None) -> bool:
    return cells is None or cell.data in cells or f"{cell.data}-{cell.corruption}" in cells


def _ready(jobs: Sequence[Job], options: argparse.Namespace) -> Iterator[Job]:
    """Jobs that are left when their turn comes; their files are there."""
    for job in jobs:
        if _is_left(job, options):
            prepare(options.data, options.out, job.cell)
            yield job


def _left(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    return sum(_is_left(job, options) for job in jobs)


def _is_left(job: Job, options: argparse.Namespace) -> bool:
    """Whether a job is wanted, and has no result that stands."""
    record = read(job.file(options.out))
    if record is not None and record["status"] == "done":
        return False
    if record is not None and record["status"] == "stopped" and record["cap"] >= options.cap:
        return False
    return not (job.cell.seed and job.contender.kind != "random" and _is_enough(job, options))


def _is_enough(job: Job, options: argparse.Namespace) -> bool:
    """Whether the first seeds say it all: the method is slow, or nothing is drawn."""
    first, second = (_earlier(job, options.out, seed) for seed in (0, 1))
    if first is not None and first["seconds"] > options.slow:
        return True
    return job.cell.seed > 1 and not CORRUPTIONS[job.cell.corruption].drawn and _same(first, second)


def _earlier(job: Job, folder: Path, seed: int) -> Record | None:
    cell = Cell(data=job.cell.data, corruption=job.cell.corruption, seed=seed)
    return read(Job(cell, job.contender).file(folder))


def _same(first: Record | None, second: Record | None) -> bool:
    """Whether two seeds gave the same selections."""
    if first is None or second is None:
        return False
    one, other = (
        {name: found["digest"] for name, found in record["budgets"].items()}
        for record in (first, second)
    )
    return one == other


def _say(job: Job, record: Record) -> None:
    found = record["budgets"].get(REFERENCE)
    told = "" if found is None else f"{100 * found['accuracy']:.1f} % at 10 %"
    cell, took = job.cell, f"{record['seconds']:.1f} s"
    parts = (cell.data, cell.corruption, cell.seed, job.contender.title, took, told)
    print(*parts, record.get("error", ""), sep="  ", flush=True)


if __name__ == "__main__":
    main()
