"""What `--dry-run` promises against what `select` takes: memory and time, as own processes.

Memory is anonymous: mapped files do not count. It is what the manifest states, and, as a check,
the largest that the system showed while the process ran.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from report import heading, ratio, row, seconds, table
from setup import Setup
from vectors import class_codes, clouds

__all__ = ["measure", "measure_scale"]

LOOK_EVERY = 0.005
"""Seconds between two looks at a process's memory."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file and how to select from it.

    Args:
        shape: rows and width.
        dtype: of the file.
        classes: of the labels beside it; 0 where there are none.
        options: of `coreset select`.
    """

    shape: tuple[int, int]
    dtype: str
    classes: int
    options: tuple[str, ...]


CASES = (
    Case(shape=(131_072, 512), dtype="float32", classes=0, options=("-m", "gm", "-k", "1000")),
    Case(shape=(131_072, 512), dtype="float16", classes=0, options=("-m", "herding", "-k", "1000")),
    Case(shape=(60_000, 1280), dtype="float32", classes=0, options=("-m", "k-center", "-k", "500")),
    Case(shape=(100_000, 256), dtype="float32", classes=100, options=("-m", "gm", "-r", "0.1")),
    Case(shape=(400_000, 64), dtype="float32", classes=0, options=("-m", "moderate", "-r", "0.1")),
)

SCALE = (
    Case(shape=(1_281_167, 768), dtype="float16", classes=1000, options=("-m", "gm", "-r", "0.1")),
    Case(shape=(1_000_000, 512), dtype="float16", classes=0, options=("-m", "gm", "-r", "0.01")),
)
"""ImageNet's shape per class, and a large pool: files of 2 GB and 1 GB."""


def measure(setup: Setup) -> None:
    """Print a line for each case."""
    _measure(setup, "Promises of the dry run", CASES[3:4] if setup.quick else CASES)


def measure_scale(setup: Setup) -> None:
    """Print the large cases; not part of a whole run."""
    _measure(setup, "Scale", SCALE)


def _measure(setup: Setup, title: str, cases: Sequence[Case]) -> None:
    heading(
        title,
        "`coreset select` from a `.npy` file as a process of its own. Promised: by `--dry-run`. "
        "Stated: peak memory in the manifest. Seen: the largest anonymous memory that the system "
        "showed meanwhile. Time taken: in the manifest. Promised over seen or taken is best near "
        "1; above it the promise was too careful.",
    )
    memory = ("memory promised", "stated", "seen", "promised / seen")
    times = ("time promised", "taken", "promised / taken")
    table(("rows × width", "stored", "classes", "options", *memory, *times), words=4)
    with tempfile.TemporaryDirectory(prefix="coreset-bench-") as folder:
        for case in cases:
            _line(setup, case, Path(folder))
    print()


def _line(setup: Setup, case: Case, folder: Path) -> None:
    n, d = case.shape
    vectors, labels = folder / "vectors.npy", folder / "labels.npy"
    _write(vectors, case)
    options = [*case.options, "--device", setup.device.type]
    if case.classes:
        np.save(labels, class_codes(n, case.classes))
        options += ["--label", str(labels)]
    plan, _ = _run(vectors, [*options, "--dry-run"])
    manifest, seen = _run(vectors, options)
    promised, stated = plan["peak_memory"], manifest["peak_memory"]
    row(
        f"{n:,} × {d}",
        case.dtype,
        case.classes or "",
        " ".join(case.options),
        *(f"{amount / 2**20:,.0f} MiB" for amount in (promised, stated, seen)),
        ratio(promised / seen) if seen else "",
        *(seconds(one["seconds"]) for one in (plan, manifest)),
        ratio(plan["seconds"] / manifest["seconds"]),
    )


def _write(path: Path, case: Case, rows: int = 1 << 17) -> None:
    """Write a file piece by piece: this process's own memory stays small."""
    n, d = case.shape
    piece = clouds(min(n, rows), d, dtype=case.dtype)
    mapped = np.lib.format.open_memmap(path, "w+", np.dtype(case.dtype), (n, d))
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        mapped[start:stop] = np.roll(piece, start // rows, axis=1)[: stop - start]
    mapped.flush()


def _run(vectors: Path, options: Sequence[str]) -> tuple[dict[str, float], int]:
    """The JSON object that `coreset select` prints, and the anonymous memory it was seen with."""
    command = [
        sys.executable,
        "-m",
        "coreset_cli",
        "select",
        str(vectors),
        *options,
        "--json",
        "-q",
    ]
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE)
        seen = 0
        while child.poll() is None:
            seen = max(seen, _anonymous(child.pid))
            time.sleep(LOOK_EVERY)
        _, errors = child.communicate()
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)}: {errors.decode()}")
        output.seek(0)
        printed = json.load(output)
    return printed.get("manifest", printed), seen


def _anonymous(process: int) -> int:
    """Bytes of anonymous memory of a process; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0
