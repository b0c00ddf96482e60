"""Orthogonal matching pursuit: a few matrices, weighted by numbers above 0, that sum to a target.

Source: Pati, Rezaiifar & Krishnaprasad, Asilomar 1993 (the pursuit); Lawson & Hanson, "Solving
least squares problems", 1974, chapter 23 (weights above 0).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.blas import dtpsv

from coreset_cli.kernels.gradients import RankOne
from coreset_cli.kernels.points import TIE

__all__ = ["Pursuit", "pursue"]

JITTER = 1e-12
"""Least ridge, relative to the mean squared norm: twins make a Gram matrix singular."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pursuit:
    """What was picked.

    Args:
        rows: in the order picked; fewer than asked for where the target was met.
        weights: of each, above 0.
        residual: norm of what is left of the target, relative to the target; 0 for a target of 0.
    """

    rows: NDArray[np.int64]
    weights: Doubles
    residual: float


def pursue(
    matrices: RankOne,
    target: Doubles,
    k: int,
    *,
    ridge: float,
    tolerance: float,
    progress: Callable[[int, int], None],
) -> Pursuit:
    """Minimise ‖Σ wᵢ Gᵢ − target‖² + λ‖w‖² over at most k weights above 0, one more at a time.

    Each step takes the matrix with the largest inner product with what is left of the target, the
    first among equals, and solves for all weights again; those that fall to 0 are dropped. It ends
    when nothing points that way any more, or after 2k steps.

    Args:
        matrices: n of them.
        target: [c, q].
        k: matrices at most.
        ridge: λ, relative to the mean squared norm of the matrices.
        tolerance: residual that is good enough, relative to the target.
        progress: told of the picks.
    """
    size = float(np.linalg.norm(target))
    if size == 0:
        return Pursuit(rows=np.empty(0, np.int64), weights=np.empty(0), residual=0.0)
    mean_square = float(np.mean(matrices.norms**2))
    support = _Support(matrices, matrices.inner(target), max(ridge, JITTER) * mean_square)
    left = target
    for _ in range(2 * k):
        remains = float(np.linalg.norm(left))
        if len(support.rows) == k or remains <= tolerance * size:
            break
        pull = matrices.inner(left)
        pull[support.rows] = -np.inf
        pick = _first(pull, TIE * matrices.norms * remains)
        if pull[pick] <= 0 or not support.enter(pick):
            break
        left = target - support.total()
        progress(len(support.rows), k)
    return Pursuit(
        rows=np.array(support.rows, np.int64),
        weights=support.weights,
        residual=float(np.linalg.norm(target - support.total())) / size,
    )


def _first(values: Doubles, slack: Doubles) -> int:
    """The first of the values that are within their slack of the largest."""
    return int(np.flatnonzero(values + slack >= values.max())[0])


class _Support:
    """Matrices with weights above 0, the best weights there are for them.

    Args:
        matrices: all n.
        aligned: [n] inner products with the target.
        ridge: λ.
    """

    def __init__(self, matrices: RankOne, aligned: Doubles, ridge: float) -> None:
        self.rows: list[int] = []
        self.weights = np.empty(0)
        self._matrices = matrices
        self._aligned = aligned
        self._ridge = ridge
        self._factor = _Factor()

    def total(self) -> Doubles:
        """[c, q] the weighted sum."""
        return self._matrices.take(np.array(self.rows, np.int64)).total(self.weights)

    def enter(self, row: int) -> bool:
        """Take in one more matrix, solve, and drop until all weights are above 0.

        What is dropped may be taken in again by a later step.

        Returns:
            Whether the new one got a weight.
        """
        every = np.array([*self.rows, row])
        gram = self._matrices.gram(every, every[-1:])[:, 0]
        self._factor.append(gram[:-1], float(gram[-1]) + self._ridge, JITTER * self._ridge)
        self.rows.append(row)
        self.weights = np.append(self.weights, 0.0)
        while True:
            wanted = self._factor.solve(self._aligned[self.rows])
            falling = wanted <= 0
            if not falling.any():
                self.weights = wanted
                return row in self.rows
            steps = np.full(len(wanted), np.inf)
            fall = self.weights[falling] - wanted[falling]
            steps[falling] = self.weights[falling] / np.maximum(fall, np.finfo(float).tiny)
            keep = steps > steps.min()
            self.weights = (self.weights + steps.min() * (wanted - self.weights))[keep]
            self.rows = [old for old, kept in zip(self.rows, keep, strict=True) if kept]
            self._factor.keep(keep)
            if not self.rows:
                return False


class _Factor:
    """U of a positive definite matrix UᵀU that grows and shrinks; its columns lie end to end."""

    def __init__(self) -> None:
        self.t = 0
        self._packed = np.empty(64)

    def append(self, column: Doubles, corner: float, least: float) -> None:
        """One more row and column.

        Args:
            column: [t] beside the matrix that is there.
            corner: on the diagonal.
            least: squared pivot at least, where rounding ate it.
        """
        t, start = self.t, _start(self.t)
        if start + t + 1 > len(self._packed):
            self._packed = np.resize(self._packed, 2 * (start + t + 1))
        u = self._solved(column, transposed=True)
        self._packed[start : start + t] = u
        self._packed[start + t] = np.sqrt(max(corner - float(u @ u), least))
        self.t += 1

    def solve(self, values: Doubles) -> Doubles:
        """The solution of UᵀU x = values."""
        return self._solved(self._solved(values, transposed=True), transposed=False)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop rows and columns where the mask is false."""
        first = int(np.flatnonzero(~mask)[0])
        kept = [int(j) for j in np.flatnonzero(mask) if j > first]
        columns = np.zeros((self.t, len(kept)))
        for number, j in enumerate(kept):
            columns[: j + 1, number] = self._packed[_start(j) : _start(j) + j + 1]
        tail = columns[first:]
        corner = cholesky(tail.T @ tail) if kept else tail
        self.t = first + len(kept)
        for number in range(len(kept)):
            start = _start(first + number)
            self._packed[start : start + first] = columns[:first, number]
            self._packed[start + first : start + first + number + 1] = corner[: number + 1, number]

    def _solved(self, values: Doubles, *, transposed: bool) -> Doubles:
        if self.t == 0:
            return values
        packed = self._packed[: _start(self.t)]
        return dtpsv(self.t, packed, values, trans=int(transposed))


def _start(column: int) -> int:
    """Where a column of a packed triangle begins."""
    return column * (column + 1) // 2
