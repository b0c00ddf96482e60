"""What every method takes at 50,000 × 512: time, processor time and memory, as processes.

Run by `python tests/benchmarks/methods/speed.py --out FOLDER`.

Each case is a `coreset select` of its own on vectors that look like an encoder's, with ten classes.
What was measured is kept in a file of FOLDER, a line for each case: the run can be interrupted, and
goes on where it stopped. With `--write`, SPEED.md is made of the lines that are there.
"""

import argparse
import datetime
import json
import os
import platform
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from coreset_cli import __version__
from coreset_cli.commands.register import make_method, method_names
from coreset_cli.commands.select_score import selector_of
from coreset_cli.device import memory_limit
from coreset_cli.io.atomic import write_text

BENCHMARKS = Path(__file__).parent.parent
DOCUMENT = BENCHMARKS / "SPEED.md"

SHAPE = 50_000, 512
CLASSES = 10
RATIO = "0.1"

LOOK_SECONDS = 0.02
"""Time between two looks at the memory of a process."""

APPROXIMATE = {
    ("facility-location", "none"): {"neighbours": "64"},
}
"""Settings that are measured beside the defaults."""

STARTED = time.monotonic()

Found = dict[str, Any]


@dataclass(frozen=True, kw_only=True, order=True)
class Case:
    """A selection.

    Args:
        method: its name.
        balance: how classes share the budget; nothing for what the method takes by itself.
        settings: other than the defaults.
        rows: of the input.
    """

    method: str
    balance: str | None = None
    settings: tuple[tuple[str, str], ...] = field(default=())
    rows: int = SHAPE[0]

    @property
    def key(self) -> str:
        """As it is told apart from others in the file of results."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def title(self) -> str:
        """For people."""
        return " ".join((self.method, *(f"{name}={value}" for name, value in self.settings)))

    def options(self, folder: Path) -> list[str]:
        """What `coreset select` is told."""
        found = ["-m", self.method, "-r", RATIO, "--device", "cpu"]
        found += ["--label", str(folder / f"labels-{self.rows}.npy")]
        if self.balance is not None:
            found += ["--balance", self.balance]
        if self.method == "topk":
            found += ["--signals", str(folder / f"scores-{self.rows}.csv"), "--set", "column=score"]
        return found + [word for pair in self.settings for word in ("--set", "=".join(pair))]


def main() -> None:
    """Measure what is left, then report."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "speed.jsonl"
    found = _read(results)
    for case in _cases(options.rows, options.only):
        if case.key in found or not options.minutes:
            continue
        if time.monotonic() - STARTED > 60 * options.minutes:
            break
        _write_inputs(options.out, case.rows)
        found[case.key] = _measured(case, options.out, options.cap)
        with results.open("a", encoding="utf-8") as file:
            print(json.dumps({"case": asdict(case), **found[case.key]}), file=file)
        _say(case, found[case.key])
    if options.write:
        write_text(DOCUMENT, "\n\n".join(_document(found, options)) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("speed-results"), help="inputs and lines")
    parser.add_argument("--rows", type=int, default=SHAPE[0], help="of the input")
    parser.add_argument("--cap", type=float, default=600, help="seconds a selection may take")
    parser.add_argument("--minutes", type=float, default=110, help="start no case after these")
    parser.add_argument("--only", action="append", help="methods, repeatable")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name}")
    return parser.parse_args()


def _cases(rows: int, only: Sequence[str] | None) -> Iterator[Case]:
    """Every method as it comes, then in one pool where it would have gone class by class."""
    names = [name for name in method_names() if only is None or name in only]
    for name in names:
        yield Case(method=name, rows=rows)
    for name in names:
        method = make_method(name, {"column": "score"} if name == "topk" else {})
        if selector_of(method).needs == {"embeddings"} and _by_class(method):
            yield Case(method=name, balance="none", rows=rows)
            more = APPROXIMATE.get((name, "none"))
            if more is not None:
                settings = tuple(more.items())
                yield Case(method=name, balance="none", settings=settings, rows=rows)


def _by_class(method: object) -> bool:
    return getattr(method, "scope", "pool") != "global"


def _read(results: Path) -> dict[str, Found]:
    """What was measured, by the key of its case; a later line takes the place of an earlier."""
    if not results.exists():
        return {}
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {json.dumps(line["case"], sort_keys=True): line for line in lines}


def _write_inputs(folder: Path, rows: int) -> None:
    """Vectors, labels and scores, once."""
    if (folder / f"scores-{rows}.csv").exists():
        return
    made = runpy.run_path(str(BENCHMARKS / "engine" / "vectors.py"))
    np.save(folder / f"vectors-{rows}.npy", made["clouds"](rows, SHAPE[1], c=CLASSES))
    np.save(folder / f"labels-{rows}.npy", made["class_codes"](rows, CLASSES))
    scores = np.random.default_rng(2).random(rows)
    table = {"id": np.arange(rows), "score": scores}
    csv.write_csv(pa.table(table), folder / f"scores-{rows}.csv")


def _measured(case: Case, folder: Path, cap: float) -> Found:
    """What was promised, and what a run took."""
    vectors = str(folder / f"vectors-{case.rows}.npy")
    command = [sys.executable, "-m", "coreset_cli", "select", vectors, *case.options(folder)]
    command += ["--json", "-q", "--max-memory", str(memory_limit(None))]
    plan = _run([*command, "--dry-run"], cap)
    if plan["status"] != "done":
        return plan
    promised = {name: plan["told"][name] for name in ("peak_memory", "seconds")}
    took = _run(command, cap)
    if took["status"] == "done":
        told = took.pop("told")
        manifest = told.get("manifest", told)
        took |= {"stated": manifest["peak_memory"], "inside": manifest["seconds"]}
    return {**took, "promised": promised, "planned": plan["wall"]}


def _run(command: Sequence[str], cap: float) -> Found:
    """A process until it ends, or is ended; what it printed, and what it used."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started, seen = time.monotonic(), 0
        child = subprocess.Popen(command, stdout=output, stderr=errors)
        status = "done"
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            seen = max(seen, _anonymous(child.pid))
            if time.monotonic() - started > cap and status == "done":
                status = "stopped"
                child.send_signal(signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
        child.returncode = os.waitstatus_to_exitcode(ended[1])
        usage = ended[2]
        found: Found = {
            "status": status,
            "wall": round(time.monotonic() - started, 2),
            "cpu": round(usage.ru_utime + usage.ru_stime, 2),
            "seen": seen,
            "resident": usage.ru_maxrss << 10,
            "date": datetime.date.today().isoformat(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        }
        output.seek(0)
        errors.seek(0)
        if status == "done" and child.returncode:
            words = errors.read().decode().strip().splitlines()
            return {**found, "status": f"exit {child.returncode}", "error": "\n".join(words[-3:])}
        return found if status == "stopped" else {**found, "told": json.load(output)}


def _anonymous(process: int) -> int:
    """Bytes of anonymous memory of a process; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _say(case: Case, found: Found) -> None:
    print("  ".join(map(str, _cells(case, found))), flush=True)


def _document(found: dict[str, Found], options: argparse.Namespace) -> Iterator[str]:
    yield "# What every method takes"
    yield "This file is what `python tests/benchmarks/methods/speed.py --write` wrote."
    if not found:
        yield "Nothing is measured yet."
        return
    dates = sorted({one["date"] for one in found.values()})
    threads = " or ".join(map(str, sorted({one["threads"] for one in found.values()})))
    yield (
        f"{' to '.join(sorted({dates[0], dates[-1]}))} · coreset {__version__} · "
        f"Python {platform.python_version()} · {platform.machine()} {platform.system()}, "
        f"{os.cpu_count()} cores · {threads} threads"
    )
    yield (
        f"`coreset select -r {RATIO}` from a `.npy` file of {options.rows:,} × {SHAPE[1]} float32 "
        f"with {CLASSES} classes, defaults, each as a process of its own, start-up included; "
        f"signals come from the probe that it trains. Processor: seconds of all cores. Memory is "
        "anonymous, as seen from outside; promised is what `--dry-run` said before. Stopped: after "
        f"{options.cap:.0f} s. Other work ran on the machine meanwhile, so processor seconds are "
        "the steadier."
    )
    cases = [(case, found[case.key]) for case in _cases(options.rows, None) if case.key in found]
    for title, balance in (("As it comes", None), ("In one pool", "none")):
        yield f"## {title}"
        yield "\n".join(
            [
                "| method | wall | promised | processor | memory | promised | promised / memory |",
                "| :-- | --: | --: | --: | --: | --: | --: |",
                *(
                    f"| {' | '.join(_cells(case, one))} |"
                    for case, one in cases
                    if case.balance == balance
                ),
            ]
        )


def _cells(case: Case, found: Found) -> tuple[str, ...]:
    title = f"`{case.title}`"
    if "promised" not in found:
        return (title, found["status"], "", "", "", "", "")
    promised, seen = found["promised"], found["seen"]
    wall = f"{found['wall']:.1f} s" if found["status"] == "done" else found["status"]
    return (
        title,
        wall,
        f"{promised['seconds']:.1f} s",
        f"{found['cpu']:.1f} s",
        f"{seen / 2**20:,.0f} MiB",
        f"{promised['peak_memory'] / 2**20:,.0f} MiB",
        f"{promised['peak_memory'] / seen:.2f}" if found["status"] == "done" else "",
    )


if __name__ == "__main__":
    main()
