"""How fast selecting is, as ratios measured in one run: `python tests/benchmarks/select_speed.py`.

The floor of a pass is summing the same buffer with the same threads; the yardstick of a method is
the loop in single precision that a reader would write with torch. Absolute times are this
machine's; ratios travel better.
"""

import datetime
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from coreset_cli import __version__
from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.commands.register import make_method
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, choose

PASS_SHAPE = (50_000, 512)
"""98 MiB in single precision: several times the cache of the processor."""

PICK_SHAPE = (20_000, 128)
PICKS = 500
REPEATS = 3


def main() -> None:
    """Measure and print."""
    print(
        f"{datetime.date.today()} · coreset {__version__} · torch {torch.__version__} · "
        f"numpy {np.__version__} · {platform.machine()} {platform.system()} · cpu, "
        f"{torch.get_num_threads()} threads · best of {REPEATS}\n"
    )
    array = clouds(PASS_SHAPE)
    vector = torch.randn(array.shape[1], dtype=torch.float64)
    points = points_of(array)
    floor = best_time(lambda: torch.from_numpy(array).sum())
    one_pass = best_time(lambda: points.each(lambda block: block @ vector))
    print(f"one pass over {array.shape[0]:,} × {array.shape[1]} float32")
    print(f"{'sum of the buffer':<24}{floor * 1e3:9.1f} ms")
    print(f"{'products with a vector':<24}{one_pass * 1e3:9.1f} ms{one_pass / floor:9.1f} ×\n")

    array = clouds(PICK_SHAPE)
    print(f"{PICKS} picks of {array.shape[0]:,} × {array.shape[1]} float32, one pool")
    print(f"{'method':<12}{'picks/s':>10}{'plain loop':>12}{'ratio':>8}{'same picks':>12}")
    for name, loop in LOOPS.items():
        print(compared(array, name, loop))


def compared(array: np.ndarray, name: str, loop: Callable[[Tensor, int], list[int]]) -> str:
    """A line of the table: a method with its default parameters, and its plain loop."""
    selector, inputs, tensor = make_method(name, {}), inputs_of(array), torch.from_numpy(array)
    ours = best_time(lambda: choose(selector, inputs, PICKS, Rng(0)))
    plain = best_time(lambda: loop(tensor, PICKS))
    rows = set(choose(selector, inputs, PICKS, Rng(0)).rows.tolist())
    same = len(rows & set(loop(tensor, PICKS))) / PICKS
    speeds = f"{PICKS / ours:>10,.0f}{PICKS / plain:>12,.0f}{plain / ours:>8.2f}"
    return f"{name:<12}{speeds}{same:>12.0%}"


def clouds(shape: tuple[int, int]) -> np.ndarray:
    """[n, d] ten clouds, as vectors of an encoder are."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, shape[1]))
    return (centres[rng.integers(0, 10, shape[0])] + rng.normal(size=shape)).astype(np.float32)


def points_of(array: np.ndarray) -> Points:
    """The array as methods see it."""
    return Points(Matrix([Shard("array", array)]), row_numbers(len(array)).key())


def inputs_of(array: np.ndarray) -> Inputs:
    """The array and nothing else."""
    points = points_of(array)
    return Inputs(key=points.key, points=points)


def best_time(work: Callable[[], object]) -> float:
    """Least seconds of several runs, after one that does not count."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def plain_median(x: Tensor, steps: int = 20) -> Tensor:
    """Weiszfeld's iteration."""
    y = x.mean(0)
    for _ in range(steps):
        w = 1 / (x - y).norm(dim=1).clamp_min(1e-12)
        y = (w[:, None] * x).sum(0) / w.sum()
    return y


def plain_matching(x: Tensor, target: Tensor, k: int) -> list[int]:
    """Nearest row to a residual that follows the target."""
    norms = (x * x).sum(1)
    theta, taken, rows = target.clone(), torch.zeros(len(x), dtype=torch.bool), []
    for _ in range(k):
        row = int((2 * (x @ theta) - norms).masked_fill(taken, -torch.inf).argmax())
        taken[row] = True
        rows.append(row)
        theta += target - x[row]
    return rows


def plain_gm(x: Tensor, k: int) -> list[int]:
    """Matching to the geometric median."""
    return plain_matching(x, plain_median(x), k)


def plain_herding(x: Tensor, k: int) -> list[int]:
    """Matching to the mean."""
    return plain_matching(x, x.mean(0), k)


def plain_k_center(x: Tensor, k: int) -> list[int]:
    """Farthest row from all picks, the first being nearest to the mean."""
    norms = (x * x).sum(1)
    rows = [int((x - x.mean(0)).norm(dim=1).argmin())]
    nearest = torch.full((len(x),), torch.inf)
    for _ in range(k - 1):
        last = rows[-1]
        nearest = torch.minimum(nearest, norms + norms[last] - 2 * (x @ x[last]))
        rows.append(int(nearest.argmax()))
    return rows


LOOPS = {"gm": plain_gm, "herding": plain_herding, "k-center": plain_k_center}

if __name__ == "__main__":
    main()
