"""SciPy, scikit-learn and NumPy counterparts of the parts: geometric median, farthest-first."""

from collections.abc import Callable

import numpy as np
import torch
from clock import measured
from loops import plain_k_center, plain_median
from numpy.typing import NDArray
from report import heading, ratio, row, seconds, table
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from setup import Setup
from sklearn.metrics.pairwise import euclidean_distances, pairwise_distances_argmin_min
from vectors import clouds, inputs_of, pick, selector_of

__all__ = ["covering_radius", "float64_median", "measure"]

SHAPE = (20_000, 512)
PICKS = 500


def float64_median(array: NDArray[np.floating]) -> tuple[NDArray[np.float64], int]:
    """[d] the geometric median by Weiszfeld's steps in float64 from the mean, and the steps."""
    x = array.astype(np.float64)
    squares = np.einsum("ij,ij->i", x, x)
    y = x.mean(0)
    usual = np.linalg.norm(x - y, axis=1).mean()
    steps, moved = 0, np.inf
    while moved > 1e-6 * usual and steps < 1000:
        distances = np.sqrt(np.maximum(squares - 2 * (x @ y) + y @ y, 1e-24))
        weights = 1 / distances
        before, y = y, weights @ x / weights.sum()
        steps, moved = steps + 1, np.linalg.norm(y - before)
    return y, steps


def quasi_newton_median(array: NDArray[np.floating]) -> tuple[NDArray[np.float64], int]:
    """[d] the same by SciPy's L-BFGS on the mean distance and its gradient, and the steps."""
    x = array.astype(np.float64)
    squares = np.einsum("ij,ij->i", x, x)

    def mean_distance(y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        distances = np.sqrt(np.maximum(squares - 2 * (x @ y) + y @ y, 1e-24))
        weights = 1 / (distances * len(x))
        return float(distances.mean()), weights.sum() * y - weights @ x

    found = minimize(
        mean_distance, x.mean(0), jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-7}
    )
    return found.x, int(found.nit)


def scipy_farthest(array: NDArray[np.floating], k: int) -> list[int]:
    """Farthest-first with a column of `cdist` a pick, in float64."""
    x = array.astype(np.float64)
    rows = [int(cdist(x, x.mean(0, keepdims=True)).argmin())]
    nearest = np.full(len(x), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, cdist(x, x[rows[-1:]])[:, 0])
        rows.append(int(nearest.argmax()))
    return rows


def sklearn_farthest(array: NDArray[np.floating], k: int) -> list[int]:
    """Farthest-first with a column of `euclidean_distances` a pick, the norms given."""
    squares = np.einsum("ij,ij->i", array, array)[:, None]
    centre = array.mean(0, keepdims=True)
    rows = [int(euclidean_distances(array, centre, X_norm_squared=squares).argmin())]
    nearest = np.full(len(array), np.inf, array.dtype)
    for _ in range(k - 1):
        last = rows[-1:]
        column = euclidean_distances(
            array, array[last], X_norm_squared=squares, Y_norm_squared=squares[last], squared=True
        )
        nearest = np.minimum(nearest, column[:, 0])
        rows.append(int(nearest.argmax()))
    return rows


def covering_radius(array: NDArray[np.floating], rows: NDArray[np.int64] | list[int]) -> float:
    """Largest distance of any row to its nearest pick."""
    return float(pairwise_distances_argmin_min(array, array[np.asarray(rows)])[1].max())


def measure(setup: Setup) -> None:
    """Print the geometric median, then farthest-first."""
    n, d = SHAPE
    array = clouds(n, d)
    _medians(setup, array)
    _farthest(setup, array, PICKS // 5 if setup.quick else PICKS)


def _medians(setup: Setup, array: NDArray[np.float32]) -> None:
    n, d = array.shape
    heading(
        "The geometric median, against NumPy and SciPy",
        f"{n:,} × {d} float32. Ours is a whole selection by `gm` of one row: reading, rounding, "
        "the median to 1e-6 of the usual distance, and a pick. Mean distance: what the median "
        "minimises, in float64.",
    )
    table(("what", "seconds", "times as fast", "steps", "mean distance"))
    selector = selector_of("gm", {})
    pick(selector, inputs_of(array, setup.device), 1)
    ours, picks = measured(lambda: pick(selector, inputs_of(array, setup.device), 1))
    steps, objective = (picks.facts.get(f"median_{it}") for it in ("iterations", "objective"))
    row("coreset", seconds(ours), "", steps, objective if objective is None else f"{objective:.6f}")
    ways: dict[str, Callable[[], tuple[NDArray[np.floating], int]]] = {
        "Weiszfeld, torch float32, 20 steps": lambda: (
            plain_median(torch.from_numpy(array)).numpy(),
            20,
        ),
        "Weiszfeld, NumPy float64, to 1e-6": lambda: float64_median(array),
        "SciPy L-BFGS-B, float64": lambda: quasi_newton_median(array),
    }
    for what, way in ways.items():
        took, (point, taken) = measured(way)
        distances = np.linalg.norm(array - point.astype(np.float64), axis=1)
        row(what, seconds(took), ratio(took / ours), taken, f"{distances.mean():.6f}")
    print()


def _farthest(setup: Setup, array: NDArray[np.float32], k: int) -> None:
    n, d = array.shape
    heading(
        "k-center, against SciPy and scikit-learn",
        f"{k:,} picks of {n:,} × {d} float32, start included; the radius is the largest distance "
        "of a row to its nearest pick. Smaller is better.",
    )
    table(("what", "seconds", "times as fast", "radius"))
    selector = selector_of("k-center", {})
    pick(selector, inputs_of(array, setup.device), 32)
    ours, picks = measured(lambda: pick(selector, inputs_of(array, setup.device), k))
    row("coreset", seconds(ours), "", f"{covering_radius(array, picks.rows):.4f}")
    for what, way in {
        "plain torch, float32": lambda: plain_k_center(torch.from_numpy(array), k),
        "SciPy cdist, float64": lambda: scipy_farthest(array, k),
        "scikit-learn euclidean_distances": lambda: sklearn_farthest(array, k),
    }.items():
        took, rows = measured(way)
        row(what, seconds(took), ratio(took / ours), f"{covering_radius(array, rows):.4f}")
    print()
