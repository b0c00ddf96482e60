"""How fast one pool is selected from, on the GPU that is here; on a processor, at a small size.

What it shows. Rows are drawn once into a file, read, rounded to the grid, their geometric median is
found, and `gm` and `k-center` pick: seconds for each, picks a second, and which share of the speed
of a copy within the device's memory the passes over the rows reach. Before that a smaller pool is
selected from by the processor and by the device, and the picks must be the same. At last the rows
are given classes, and a tenth of each is picked: of all classes at once, and of one after another.

    python examples/gpu_engine.py out/

writes gpu_engine.json and prints the tables. The aim is 10,000 picks of 1,000,000 × 512 in single-
digit seconds. Every result is written when it is there; a second run goes on with what is missing.
"""

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from _drawing import print_table
from numpy.lib.format import open_memmap

from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.compose.per_class import PerClass
from coreset_cli.device import find_device
from coreset_cli.io.npy import open_npy
from coreset_cli.kernels.centre import GeometricMedian, geometric_median, nearest_to
from coreset_cli.kernels.cuda import chain
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import Fixed, fixed
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.matching import Matcher
from coreset_cli.kernels.points import Points
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.k_center import KCenter
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, silent

Result = TypeVar("Result")

METHODS = ("gm", "k-center")

WAYS = ("at once", "one after another")

COPY_VALUES = 1 << 28
"""Values of 16 bits copied to see how fast a device is; fewer on a processor."""

CLASS_ROWS = 1000
"""Rows of a class."""

DRAWN_ROWS = 1 << 14
"""Rows drawn at a time."""


@dataclass(frozen=True)
class Size:
    """A pool: n rows of d values, of which k are picked."""

    n: int
    d: int
    k: int


LARGE, SMALL, TINY = Size(1_000_000, 512, 10_000), Size(40_000, 128, 2000), Size(4000, 64, 300)


def drawn(path: Path, size: Size) -> Path:
    """A file of float16 rows: clusters of unequal weight, a hundredth of the rows far outside."""
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(64, size.d), scale=0.5).astype(np.float32)
    unfinished = path.with_suffix(".unfinished.npy")
    rows = open_memmap(unfinished, "w+", np.float16, (size.n, size.d))
    for start in range(0, size.n, DRAWN_ROWS):
        b = min(DRAWN_ROWS, size.n - start)
        block = rng.standard_normal((b, size.d), np.float32)
        block += centres[(64 * rng.random(b) ** 2).astype(int)]
        block[rng.random(b) < 0.01] *= 20
        rows[start : start + b] = block
    rows.flush()
    return unfinished.rename(path)


def points_on(path: Path, device: torch.device) -> Points:
    """The rows of a file, computed with on a device."""
    matrix = open_npy(path)
    return Points(matrix, row_numbers(matrix.n).key(), device)


def timed(seconds: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    """What the work returns; how long it took is noted."""
    started = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds[name] = time.perf_counter() - started
    return result


def read(points: Points) -> None:
    """Bring every row to the device once."""
    for _ in points.stored():
        pass


def picks_of(method: str, points: Fixed, median: GeometricMedian, k: int) -> list[int]:
    """Rows that a method picks."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{method}: {done} of {total}", end="", file=sys.stderr)

    if method == "gm":
        return Matcher(median.point, median.point, "l2").pick(points, k, show)
    first = nearest_to(points, points.mean())
    return farthest_first(points, k, first, show)[0]


def digest(rows: list[int]) -> str:
    """Of row numbers in the order picked."""
    return hashlib.sha256(np.array(rows, "<i8").tobytes()).hexdigest()[:16]


def alike(folder: Path, size: Size, device: torch.device) -> dict[str, object]:
    """Digests of the picks of the processor and of the device."""
    path = drawn(folder / f"rows-{size.n}x{size.d}.npy", size)
    found: dict[str, object] = {}
    for where in (torch.device("cpu"), device):
        points = fixed(points_on(path, where))
        median = geometric_median(points)
        for method in METHODS:
            rows = picks_of(method, points, median, size.k)
            found[f"{method} {where.type}"] = digest(rows)
    same = all(found[f"{method} cpu"] == found[f"{method} {device.type}"] for method in METHODS)
    return {**found, "same": same}


def measured(folder: Path, size: Size, device: torch.device) -> dict[str, object]:
    """Seconds of every stage, each method picking from fresh scores; the median is shared."""
    path = drawn(folder / f"rows-{size.n}x{size.d}.npy", size)
    seconds: dict[str, float] = {}
    data = points_on(path, device)
    timed(seconds, "read", lambda: read(data))
    points = timed(seconds, "read and round", lambda: fixed(data))
    median = timed(seconds, "median", lambda: geometric_median(points))
    digests = {}
    for method in METHODS:
        picks_of(method, points, median, 2)  # compiles
        rows = timed(
            seconds, method, lambda method=method: picks_of(method, points, median, size.k)
        )
        digests[method] = digest(rows)
    return {"seconds": seconds, "iterations": median.iterations, "digests": digests}


def within_classes(folder: Path, size: Size, device: torch.device) -> dict[str, object]:
    """Seconds of a tenth of every class, all classes at once and one after another."""
    points = points_on(drawn(folder / f"rows-{size.n}x{size.d}.npy", size), device)
    c = -(-size.n // CLASS_ROWS)
    labels = Labels(np.arange(size.n) % c, tuple(map(str, range(c))))
    data = Inputs(key=points.key, points=points, classes=labels)
    every = members(labels.codes, c)
    found: dict[str, object] = {"classes": c}
    for name, method in (("gm", Gm()), ("k-center", KCenter())):
        within = PerClass(method=method)
        quotas = within.quotas(labels.counts(), size.n // 10)

        def apart(m: int, method: Gm | KCenter = method, quotas: np.ndarray = quotas) -> list[int]:
            rows: list[int] = []
            for mine, quota in zip(every[:m], quotas, strict=False):
                picks = method.select(data.subset(mine, silent), int(quota), Rng(0))
                rows += mine[picks.rows].tolist()
            return rows

        def together(m: int, within: PerClass = within, quotas: np.ndarray = quotas) -> list[int]:
            some = np.sort(np.concatenate(every[:m]))
            picks = within.select(data.subset(some, silent), int(quotas[:m].sum()), Rng(0))
            return some[picks.rows].tolist()

        seconds: dict[str, float] = {}
        rows = []
        for way, work in zip(WAYS, (together, apart), strict=True):
            work(2)  # compiles
            rows.append(sorted(timed(seconds, way, lambda work=work: work(c))))
        found[name] = {**seconds, "same": rows[0] == rows[1]}
    return found


def copy_speed(device: torch.device, values: int) -> float:
    """Bytes a second, read and written, of a copy within the memory of a device; best of five."""
    first, second = (torch.zeros(values, dtype=torch.int16, device=device) for _ in range(2))
    seconds: dict[str, float] = {}
    for turn in range(5):
        timed(seconds, str(turn), lambda: second.copy_(first))
    return 2 * first.nbytes / min(seconds.values())


def main(out: Path, size: Size | None = None, small: Size | None = None) -> dict[str, object]:
    """Write gpu_engine.json and print the tables; return what was found."""
    device = find_device("auto")
    here = device.type == "cuda"
    size, small = size or (LARGE if here else SMALL), small or (SMALL if here else TINY)
    out.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if here else f"{platform.machine()} processor"
    steps = "by Triton" if chain.compiles(device) else "in tensor operations"
    header = {"device": name, "torch": torch.__version__, "steps": steps, **vars(size)}
    report = out / "gpu_engine.json"
    found = json.loads(report.read_text()) if report.exists() else {}
    if {key: found.get(key) for key in header} != header:
        found = dict(header)
    stages: dict[str, Callable[[], object]] = {
        "alike": lambda: alike(out, small, device),
        "copy": lambda: copy_speed(device, COPY_VALUES if here else COPY_VALUES >> 6),
        "measured": lambda: measured(out, size, device),
        "within classes": lambda: within_classes(out, size, device),
    }
    for stage, work in stages.items():
        if stage not in found:
            found[stage] = work()
            report.write_text(json.dumps(found, indent=2) + "\n")
    show(found, small)
    return found


def show(found: dict, small: Size) -> None:
    """Print what was found."""
    n, d, k = found["n"], found["d"], found["k"]
    print(f"{found['device']}, torch {found['torch']}: {k:,} picks of {n:,} × {d}, one pool")
    if torch.cuda.is_available():
        print(f"steps {found['steps']}")
    seconds = found["measured"]["seconds"]
    print_table(["stage", "seconds"], [[stage, f"{took:.3f}"] for stage, took in seconds.items()])
    print()
    speeds = []
    for method in METHODS:
        pace = k / seconds[method]
        share = 2 * n * d * pace / found["copy"]
        total = seconds["read and round"] + seconds["median"] * (method == "gm") + seconds[method]
        speeds.append([method, f"{total:.2f}", f"{pace:,.0f}", f"{share:.0%}"])
    print_table(["method", "seconds in all", "picks a second", "of a copy"], speeds)
    print()
    within = found["within classes"]
    print(f"a tenth of each of {within['classes']:,} classes, in seconds")
    rows = [[name, *(f"{within[name][way]:.2f}" for way in WAYS)] for name in METHODS]
    print_table(["method", *WAYS], rows)
    print()
    if not all(within[name]["same"] for name in METHODS):
        print("THE PICKS WITHIN CLASSES ARE NOT THE SAME")
    same = "the same" if found["alike"]["same"] else "NOT THE SAME"
    if torch.cuda.is_available():
        print(f"{small.k:,} picks of {small.n:,} × {small.d} by the processor and here: {same}")
    else:
        print("no GPU is here: nothing to compare the processor with")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
