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
Quality = Callable[[NDArray[np.float32], NDArray[np.int64]], float]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package, and the method of ours that does the same job.

    Args:
        distribution: its name in the index.
        what: the job, in a few words.
        method: of ours.
        settings: of ours.
        select: run it: vectors and picks in, rows out.
        quality: of picks: vectors and rows in.
        shape: of the input; some hold n × n values.
        picks: of so many rows; those that halve need rows over picks to be a power of two.
    """

    distribution: str
    what: str
    method: str
    settings: dict[str, str]
    select: Select
    quality: Quality
    shape: tuple[int, int]
    picks: int


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


def apricot_facility_location(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Lazy greedy on a stored n × n kernel, compiled by numba."""
    from apricot import FacilityLocationSelection

    selection = FacilityLocationSelection(k, metric="precomputed", optimizer="lazy")
    return np.asarray(selection.fit(_similarities(array)).ranking, np.int64)


def apricot_graph_cut(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Lazy greedy on a stored n × n kernel, compiled by numba."""
    from apricot import GraphCutSelection

    selection = GraphCutSelection(k, metric="precomputed", alpha=1.0, optimizer="lazy")
    return np.asarray(selection.fit(_similarities(array)).ranking, np.int64)


def submodlib_facility_location(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Lazy greedy on a stored n × n kernel, in C++."""
    from submodlib.functions.facilityLocation import FacilityLocationFunction

    kernel = _similarities(array, np.float32)
    objective = FacilityLocationFunction(
        n=len(array), mode="dense", sijs=kernel, separate_rep=False
    )
    picks = objective.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)
    return np.array([chosen for chosen, _ in picks], np.int64)


def submodlib_graph_cut(array: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Greedy on a stored n × n kernel, in C++."""
    from submodlib.functions.graphCut import GraphCutFunction

    kernel = _similarities(array, np.float32)
    objective = GraphCutFunction(
        n=len(array), mode="dense", lambdaVal=1.0, ggsijs=kernel, separate_rep=False
    )
    picks = objective.maximize(
        budget=k,
        optimizer="LazyGreedy",
        stopIfNegativeGain=False,
        stopIfZeroGain=False,
        show_progress=False,
    )
    return np.array([chosen for chosen, _ in picks], np.int64)


def _similarities(
    array: NDArray[np.float32], dtype: type[np.floating] = np.float64
) -> NDArray[np.floating]:
    """[n, n] (1 + cos)/2."""
    unit = array.astype(dtype)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found = unit @ unit.T
    found += 1
    found /= 2
    return found


def _distance_of_means(array: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    return float(np.linalg.norm(array.mean(0, dtype=np.float64) - array[rows].mean(0)))


def _served(array: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    """Mean over all rows of the largest similarity to a pick."""
    return float(_similarities(array, np.float32)[rows].max(0).mean(dtype=np.float64))


def _cut(array: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    """Similarity of the picks to all rows less that to each other, a pick and row."""
    columns = _similarities(array, np.float32)[rows]
    within = columns[:, rows].sum(dtype=np.float64)
    return float((columns.sum(dtype=np.float64) - within) / columns.size)


DOT = {"match": "dot"}
SET_FUNCTIONS = (
    ("apricot-select", "facility location", "facility-location", apricot_facility_location),
    ("submodlib-py", "facility location", "facility-location", submodlib_facility_location),
    ("apricot-select", "graph cut", "graph-cut", apricot_graph_cut),
    ("submodlib-py", "graph cut", "graph-cut", submodlib_graph_cut),
)
PACKAGES = (
    Package(
        distribution="coreax",
        what="kernel herding, linear kernel",
        method="herding",
        settings=DOT,
        select=coreax_herding,
        quality=_distance_of_means,
        shape=(20_000, 512),
        picks=1250,
    ),
    Package(
        distribution="goodpoints",
        what="kernel herding, linear kernel",
        method="herding",
        settings=DOT,
        select=goodpoints_herding,
        quality=_distance_of_means,
        shape=(5_000, 512),
        picks=625,
    ),
    Package(
        distribution="goodpoints",
        what="kernel thinning, linear kernel",
        method="herding",
        settings={},
        select=goodpoints_thinning,
        quality=_distance_of_means,
        shape=(2_048, 512),
        picks=256,
    ),
    Package(
        distribution="submodlib-py",
        what="dispersion, n × n kernel",
        method="k-center",
        settings={},
        select=submodlib_dispersion,
        quality=covering_radius,
        shape=(2_048, 512),
        picks=256,
    ),
    *(
        Package(
            distribution=distribution,
            what=f"{what}, n × n kernel",
            method=method,
            settings={},
            select=select,
            quality=_served if method == "facility-location" else _cut,
            shape=shape,
            picks=500,
        )
        for shape in ((5_000, 64), (10_000, 512))
        for distribution, what, method, select in SET_FUNCTIONS
    ),
)
"""By the size of input that each finishes within about half a minute."""


COMPILE = {"apricot-select", "coreax"}
"""They compile for what they meet first."""


def measure(setup: Setup) -> None:
    """Print a line for each package that is there, and why for each that is not."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    heading(
        "Against public packages",
        "float32 rows, start included; each package on the size it can do, ours on the same. "
        "Packages that compile do so before. Quality: for herding and thinning the distance from "
        "the mean of all rows to the mean of the picks, for dispersion the radius, the largest "
        "distance of a row to its nearest pick: smaller is better. For facility location and graph "
        "cut the objective, with (1 + cos)/2 as similarity, over rows (and picks): larger is "
        "better. Ours with the same rule beside it. Same picks: the share of rows that both chose; "
        "ours sees rows as the grid holds them, and packages break exact ties otherwise.",
    )
    columns = ("package", "job", "ours", "rows × width", "picks", "package takes", "coreset takes")
    table((*columns, "times as fast", "quality", "of coreset", "same picks"), words=3)
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


def _line(setup: Setup, package: Package) -> None:
    n, d = package.shape
    n = n // 4 if setup.quick else n
    k, array = n * package.picks // package.shape[0], clouds(n, d)
    if package.distribution in COMPILE:
        package.select(array[: n // 4], max(1, k // 4))
    took, rows = measured(lambda: package.select(array, k))
    selector = selector_of(package.method, package.settings)
    pick(selector, inputs_of(array, setup.device), 32)
    ours, picks = measured(lambda: pick(selector, inputs_of(array, setup.device), k))
    named = f"{package.distribution} {version(package.distribution)}"
    both = (f"{package.quality(array, chosen):.5f}" for chosen in (rows, picks.rows))
    rule = " ".join((package.method, *package.settings.values()))
    times = (seconds(took), seconds(ours), ratio(took / ours))
    same = f"{len(np.intersect1d(rows, picks.rows)) / k:.1%}"
    row(named, package.what, rule, f"{n:,} × {d}", f"{len(rows):,}", *times, *both, same)
