"""Against public packages for the same job, where they are installed.

None is needed: what cannot be imported gets a line that says why, and the rest is measured.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from clock import measured
from counterparts import covering_radius
from numpy.typing import NDArray
from report import heading, ratio, row, say, seconds, table
from setup import Setup
from vectors import clouds, inputs_of, pick, selector_of

__all__ = ["measure"]

Select = Callable[[NDArray[np.float32], int], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package, and the method of ours that does the same job.

    Args:
        distribution: its name in the index.
        what: the job, in a few words.
        method: of ours.
        settings: of ours.
        select: run it: vectors and picks in, rows out.
        rows: of the input; some hold n × n values.
        halvings: picks are the rows halved so many times.
    """

    distribution: str
    what: str
    method: str
    settings: dict[str, str]
    select: Select
    rows: int
    halvings: int


def coreax_herding(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Kernel herding with the linear kernel, compiled by JAX."""
    from coreax import Data
    from coreax.kernels import LinearKernel
    from coreax.solvers import KernelHerding

    solver = KernelHerding(coreset_size=k, kernel=LinearKernel(), unique=True)
    coreset, _ = solver.reduce(Data(array))
    return np.asarray(coreset.unweighted_indices, np.int64)


def goodpoints_herding(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Kernel herding with the linear kernel, in NumPy; k must be n halved some times."""
    from goodpoints.herding import herding

    halvings = int(np.log2(len(array) // k))
    return np.asarray(herding(array, halvings, _linear_kernel, unique=True), np.int64)


def goodpoints_thinning(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Kernel thinning with the linear kernel: the same aim by halving, then swaps.

    The n × n kernel is stored: without it version 0.6.3 stops under NumPy 2.4.
    """
    from goodpoints import kt

    halvings = int(np.log2(len(array) // k))
    kernels = _linear_kernel, _linear_kernel
    picks = kt.thin(array, halvings, *kernels, seed=0, unique=True, store_K=True)
    return np.asarray(picks, np.int64)


def _linear_kernel(y: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row with all, or row by row where as many come; one value is returned as such."""
    if y.ndim == 2 and len(y) > 1:
        return np.einsum("ij,ij->i", y, rows)
    products = rows @ y.reshape(-1)
    return products if len(products) > 1 else products[0]


def submodlib_dispersion(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Greedy largest least distance, which is farthest-first, on a stored n × n kernel."""
    from submodlib.functions.disparityMin import DisparityMinFunction

    objective = DisparityMinFunction(n=len(array), mode="dense", data=array, metric="euclidean")
    picks = objective.maximize(budget=k, optimizer="NaiveGreedy", show_progress=False)
    return np.array([chosen for chosen, _ in picks], np.int64)


DOT = {"match": "dot"}
PACKAGES = (
    Package(
        distribution="coreax",
        what="kernel herding, linear kernel",
        method="herding",
        settings=DOT,
        select=coreax_herding,
        rows=20_000,
        halvings=4,
    ),
    Package(
        distribution="goodpoints",
        what="kernel herding, linear kernel",
        method="herding",
        settings=DOT,
        select=goodpoints_herding,
        rows=5_000,
        halvings=3,
    ),
    Package(
        distribution="goodpoints",
        what="kernel thinning, linear kernel",
        method="herding",
        settings={},
        select=goodpoints_thinning,
        rows=2_048,
        halvings=3,
    ),
    Package(
        distribution="submodlib-py",
        what="dispersion, n × n kernel",
        method="k-center",
        settings={},
        select=submodlib_dispersion,
        rows=2_048,
        halvings=3,
    ),
)
"""By the size of input that each finishes within about half a minute."""

WIDTH = 512


def measure(setup: Setup) -> None:
    """Print a line for each package that is there, and why for each that is not."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    heading(
        "Against public packages",
        f"Rows of width {WIDTH}, float32, start included; each package on the size it can do, ours "
        "on the same. Packages that compile do so before. Quality: for herding and thinning the "
        "distance from the mean of all rows to the mean of the picks, for dispersion the radius, "
        "the largest distance of a row to its nearest pick; ours with the same rule beside it. "
        "Smaller is better.",
    )
    columns = ("package", "job", "ours", "rows", "picks", "package takes", "coreset takes")
    table((*columns, "times as fast", "quality", "of coreset"), words=3)
    failed = []
    for package in PACKAGES:
        try:
            _line(setup, package)
        except Exception as error:  # noqa: BLE001 (whatever a foreign package raises is reported)
            reason = f"{type(error).__name__}: {error}"
            failed.append(f"{package.distribution} ({package.what}): {reason}")
    print()
    for reason in failed:
        say(f"Not measured: {reason}.")
    say(
        "apricot-select and submodlib-py are made for facility location and other set objectives. "
        "coreset has no such method yet, so nothing of apricot-select is measured."
    )


def _line(setup: Setup, package: Package) -> None:
    n = package.rows // 4 if setup.quick else package.rows
    k, array = n >> package.halvings, clouds(n, WIDTH)
    if package.distribution == "coreax":
        package.select(array, k)
    took, rows = measured(lambda: package.select(array, k))
    selector = selector_of(package.method, package.settings)
    pick(selector, inputs_of(array, setup.device), 32)
    ours, picks = measured(lambda: pick(selector, inputs_of(array, setup.device), k))
    quality = covering_radius if package.method == "k-center" else _distance_of_means
    named = f"{package.distribution} {version(package.distribution)}"
    both = (f"{quality(array, chosen):.4f}" for chosen in (rows, picks.rows))
    rule = " ".join((package.method, *package.settings.values()))
    times = (seconds(took), seconds(ours), ratio(took / ours))
    row(named, package.what, rule, f"{n:,}", f"{len(rows):,}", *times, *both)


def _distance_of_means(array: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    return float(np.linalg.norm(array.mean(0, dtype=np.float64) - array[rows].mean(0)))
