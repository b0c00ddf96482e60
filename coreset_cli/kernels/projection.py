"""Rows laid into a plane by their two principal directions, exactly.

Why nothing depends on threads, blocks, storage, order of rows or device: rows are whole numbers
(`fixed`). Their products with a vector of 37 bits are exact, and so are their sums weighted by
whole numbers of 44 bits, taken in two limbs. All else is done with vectors of d numbers, one after
another in a fixed order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed, dot
from coreset_cli.seeds import mix64

__all__ = ["MOST_STEPS", "leading", "plane_of"]

MOST_STEPS = 100
"""Steps of Lanczos at most: directions not told apart by then are as good as each other."""

SETTLED = 1e-11
"""Residual of a direction, relative to its eigenvalue."""

LIMB_BITS = 22
"""Bits of half a weight: 2¹⁶ rows of values below 2¹⁵ are summed exactly in double precision."""

LIMB_ROWS = 1 << 16
"""Rows that are summed at a time at most; of the sums, 2²⁶ rows fit 64 bits."""

BLOCK_VALUES = 1 << 19
"""Values converted to double precision at a time."""

ROUNDED = 4.0
"""Units of the grid that rounding moves a row along a direction at most, where n is large."""

TIE = 1e-9
"""Loadings closer than this, relative to the largest, are as large."""

Vector = NDArray[np.float64]


def plane_of(points: Fixed, *, centred: bool) -> Float64[np.ndarray, "n 2"]:
    """Coordinates of the rows along the two directions of largest second moment.

    A direction points to where its largest loading, of equal ones the first, is positive. The
    coordinates are of the rows as rounded to the grid, from their mean, in its units; along a
    direction in which no row is farther from the mean than its rounding, they are 0.

    Args:
        points: the cloud.
        centred: moments about the mean (principal components) rather than about 0 (truncated
            singular value decomposition).
    """
    mean = points.mean().cpu()
    origin = points.grid.origin.cpu() * 2.0**points.grid.step
    shift = -mean if centred else origin
    found = np.empty((0, len(mean)))
    for _ in range(2):
        found = np.vstack([found, leading(lambda vector: _moment(points, vector, shift), found)])
    plane = np.empty((len(points), 2))
    reach = ROUNDED * (1 + math.sqrt(len(mean) / points.n)) * points.powers.cpu().numpy()
    for column, direction in zip(plane.T, map(_turned, found), strict=True):
        vector = torch.from_numpy(direction)
        values = points.products(vector.to(points.device)).cpu().numpy() - dot(mean, vector)
        column[:] = 0.0 if (np.abs(values) <= reach).all() else values
    return plane


def leading(image: Callable[[Vector], Vector], found: Float64[np.ndarray, "c d"]) -> Vector:
    """Eigenvector of the largest eigenvalue, of those perpendicular to the ones found before.

    Lanczos' iteration, every vector made perpendicular to all before it.

    Source: Golub & Van Loan, "Matrix computations", 4th ed., section 10.3.

    Args:
        image: what a symmetric operator without negative eigenvalues makes of a vector.
        found: unit vectors, perpendicular to each other.

    Returns:
        [d] at length 1; 0 where there is no direction left.
    """
    known, d = found.shape
    if d <= known:
        return np.zeros(d)
    basis = np.zeros((known + min(MOST_STEPS, d - known), d))
    basis[:known] = found
    fresh = _perpendicular(_any_vector(d, known), found)
    diagonal: list[float] = []
    beside: list[float] = []
    size = _norm(fresh)
    for step in range(known, len(basis)):
        basis[step] = fresh / size
        fresh = _perpendicular(image(basis[step]), found)
        diagonal.append(float((fresh * basis[step]).sum()))
        fresh = _perpendicular(fresh, basis[: step + 1])
        size = _norm(fresh)
        last = len(diagonal) - 1
        values, weights = eigh_tridiagonal(
            np.array(diagonal), np.array(beside), select="i", select_range=(last, last)
        )
        if size * abs(float(weights[-1, 0])) <= SETTLED * abs(float(values[0])):
            break
        beside.append(size)
    vector = (weights * basis[known : step + 1]).sum(0)
    return vector / _norm(vector)


def _moment(points: Fixed, vector: Vector, shift: Float64[Tensor, " d"]) -> Vector:
    """Σ ⟨row + shift, vector⟩ (row + shift), in grid units."""
    direction = torch.from_numpy(vector)
    along = points.products(direction.to(points.device)) + dot(shift, direction)
    sums, total = _weighted(points, along)
    return (sums.cpu() + total * shift).numpy()


def _weighted(points: Fixed, weights: Float64[Tensor, " n"]) -> tuple[Float64[Tensor, " d"], float]:
    """Σ weights · rows, and Σ weights."""
    forces = _Limbs.of(weights * points.powers)
    n, d = points.rows.values.shape
    sums = torch.zeros(2, d, dtype=torch.int64, device=points.device)
    step = max(1, min(LIMB_ROWS, BLOCK_VALUES // d))
    for start in range(0, n, step):
        which = slice(start, start + step)
        block = points.rows.values[which].to(points.device).double()
        sums += (forces.whole[:, which] @ block).long()
    plain = _Limbs.of(weights)
    return forces.valued(sums), float(plain.valued(plain.whole.long().sum(1, keepdim=True)))


@dataclass(frozen=True)
class _Limbs:
    """Numbers rounded to 44 bits of the largest.

    Args:
        whole: [2, n] upper and lower limb, whole numbers.
        unit: what 1 of the lower limb is.
    """

    whole: Float64[Tensor, "2 n"]
    unit: float

    @classmethod
    def of(cls, values: Float64[Tensor, " n"]) -> "_Limbs":
        """Round the numbers."""
        unit = 2.0 ** (int(np.frexp(float(values.abs().max()))[1]) - 2 * LIMB_BITS)
        whole = torch.round(values / unit)
        upper = torch.floor(whole / 2.0**LIMB_BITS)
        return cls(torch.stack([upper, whole - upper * 2.0**LIMB_BITS]), unit)

    def valued(self, sums: Int64[Tensor, "2 s"]) -> Float64[Tensor, " s"]:
        """What sums of the limbs stand for."""
        upper, lower = sums.double()
        return (upper * 2.0**LIMB_BITS + lower) * self.unit


def _any_vector(d: int, turn: int) -> Vector:
    """The same numbers between -1 and 1 at every call; perpendicular to nothing in particular.

    Every turn has its own: what is left of a start beside the vector that it led to may have no
    part in any other vector of the same eigenvalue.
    """
    return mix64(np.arange(d, dtype=np.uint64) + np.uint64(turn * d)) / 2.0**63 - 1.0


def _perpendicular(vector: Vector, basis: NDArray[np.float64]) -> Vector:
    """What is left of a vector beside a basis of unit vectors; twice, against cancellation."""
    for _ in range(2):
        vector = vector - ((basis * vector).sum(1, keepdims=True) * basis).sum(0)
    return vector


def _norm(vector: Vector) -> float:
    return math.sqrt(float((vector * vector).sum()))


def _turned(direction: Vector) -> Vector:
    sizes = np.abs(direction)
    first = int(np.argmax(sizes >= (1 - TIE) * sizes.max()))
    return direction if direction[first] >= 0 else -direction
