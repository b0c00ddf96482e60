"""Gradients of a last layer in closed form: one outer product a row, never a vector of c·q.

The cross-entropy of row i has the gradient (p − y) h̃ᵀ in the last layer, h̃ being the layer's input
with a 1 for the bias, and the diagonal of its Hessian is p(1 − p) (h̃²)ᵀ. Both have rank one, so
inner products, distances, sums and variances come from the two factors alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import FloatArray, Snapshot
from coreset_cli.errors import DoesNotFit, NotFinite
from coreset_cli.kernels.points import BLOCK_BYTES, KEPT_BYTES, TIE

__all__ = [
    "STATE_BYTES",
    "WHOLE_BYTES",
    "Part",
    "RankOne",
    "curvature",
    "last_layer",
    "part_of",
    "probabilities",
    "require_room",
    "residual",
]

Part = Literal["layer", "bias", "own-class"]
"""Which part of a gradient counts."""

STATE_BYTES = 96
"""Bytes a row that methods hold beside the gradients: norms, inner products, orders."""

WHOLE_BYTES = 512 << 20
"""Bytes of matrices that are written out, at most."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RankOne:
    """n matrices of rank one; matrix i is the outer product of two vectors.

    Args:
        left: [n, c] float64.
        right: [n, q] float32 or float64; computed with as float64, block by block.
    """

    left: Doubles
    right: FloatArray | Doubles

    @property
    def n(self) -> int:
        """Number of matrices."""
        return len(self.left)

    def take(self, rows: NDArray[np.int64]) -> "RankOne":
        """Some of them, in that order."""
        return RankOne(left=self.left[rows], right=self.right[rows])

    def blocks(self) -> Iterator[tuple[slice, Doubles]]:
        """Rows and right vectors of each block, in order."""
        if self._kept is not None:
            yield slice(0, self.n), self._kept
            return
        step = max(1, BLOCK_BYTES // (8 * self.right.shape[1]))
        for start in range(0, self.n, step):
            which = slice(start, min(start + step, self.n))
            yield which, self.right[which].astype(np.float64)

    @cached_property
    def norms(self) -> Doubles:
        """[n] Frobenius norms."""
        return np.linalg.norm(self.left, axis=1) * self._right_norms()

    def times(self, matrix: Doubles) -> Doubles:
        """[n, c] `matrix` times each right vector.

        Args:
            matrix: [c, q].
        """
        return np.concatenate([right @ matrix.T for _, right in self.blocks()])

    def inner(self, matrix: Doubles) -> Doubles:
        """[n] Frobenius inner product of each with a [c, q] matrix."""
        return np.einsum("nc,nc->n", self.left, self.times(matrix))

    def gram(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Doubles:
        """[m, o] inner products of some with some others."""
        right = self.right[rows].astype(np.float64) @ self.right[others].astype(np.float64).T
        return (self.left[rows] @ self.left[others].T) * right

    def columns(self, rows: NDArray[np.int64]) -> Doubles:
        """[m, n] inner products of some with all."""
        some = self.right[rows].astype(np.float64)
        right = np.concatenate([some @ block.T for _, block in self.blocks()], axis=1)
        right *= self.left[rows] @ self.left.T
        return right

    def distances(self, rows: NDArray[np.int64]) -> Doubles:
        """[m, n] Frobenius distances of some from all; those that rounding makes are 0."""
        sizes = self.norms[rows, None] ** 2 + self.norms**2
        squares = self.columns(rows)
        squares *= -2
        squares += sizes
        sizes *= TIE
        squares[squares <= sizes] = 0.0
        return np.sqrt(squares, out=squares)

    def total(self, weights: Doubles | None = None) -> Doubles:
        """[c, q] sum of all, weighted where weights are given."""
        left = self.left if weights is None else self.left * weights[:, None]
        return sum(
            (left[which].T @ right for which, right in self.blocks()),
            np.zeros((self.left.shape[1], self.right.shape[1])),
        )

    def variance(self) -> Doubles:
        """[c, q] variance of each entry over the n matrices, divided by n."""
        squares = np.zeros((self.left.shape[1], self.right.shape[1]))
        for which, right in self.blocks():
            squares += (self.left[which] ** 2).T @ right**2
        return np.maximum(squares / self.n - (self.total() / self.n) ** 2, 0.0)

    def squared(self) -> "RankOne":
        """The squares of all entries."""
        return RankOne(left=self.left**2, right=self.right.astype(np.float64) ** 2)

    def entries(self, coordinates: NDArray[np.int64]) -> Doubles:
        """[n, m] some entries of each; entry (c, q) is number c·Q + q."""
        c, q = np.divmod(coordinates, self.right.shape[1])
        return self.left[:, c] * self.right[:, q]

    @cached_property
    def _kept(self) -> Doubles | None:
        return self.right.astype(np.float64) if 8 * self.right.size <= KEPT_BYTES else None

    def _right_norms(self) -> Doubles:
        return np.concatenate([np.linalg.norm(right, axis=1) for _, right in self.blocks()])


def probabilities(logits: FloatArray | Doubles) -> Doubles:
    """[n, c] softmax in float64.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """
    _require_finite(logits, "logits")
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def residual(logits: FloatArray | Doubles, codes: NDArray[np.int64]) -> Doubles:
    """[n, c] derivative of the cross-entropy in the logits: p − y.

    Args:
        logits: [n, c].
        codes: [n] column of each row's label.

    Raises:
        NotFinite: NaN or Inf among the logits.
    """
    error = probabilities(logits)
    error[np.arange(len(codes)), codes] = -_others(error, codes)
    return error


def last_layer(shot: Snapshot, codes: NDArray[np.int64], order: NDArray[np.int64]) -> RankOne:
    """The gradient of each row's cross-entropy in the last layer, weights and bias.

    Args:
        shot: the network.
        codes: [n] column of each row's label.
        order: rows in the order wanted; that of ids makes sums independent of the input's order.

    Raises:
        NotFinite: NaN or Inf among logits or features.
    """
    return RankOne(left=residual(shot.logits[order], codes[order]), right=_with_one(shot, order))


def part_of(gradients: RankOne, part: Part, codes: NDArray[np.int64]) -> RankOne:
    """Part of each gradient of the last layer.

    Args:
        gradients: of n rows.
        part: all of it (`layer`), that in the biases alone, which is p − y (`bias`), or that in the
            weights and the bias of the row's own class alone (`own-class`).
        codes: [n] class of each row.
    """
    if part == "bias":
        return RankOne(left=gradients.left, right=np.ones((gradients.n, 1)))
    if part == "own-class":
        own = np.arange(gradients.left.shape[1]) == codes[:, None]
        return RankOne(left=np.where(own, gradients.left, 0.0), right=gradients.right)
    return gradients


def require_room(n: int, size: int, instead: str) -> None:
    """Refuse to write out more matrices than fit, in single precision.

    Args:
        n: matrices.
        size: values of each.
        instead: what the user can do, for the message.

    Raises:
        DoesNotFit: they pass `WHOLE_BYTES`.
    """
    needed = 4 * n * size
    if needed > WHOLE_BYTES:
        raise DoesNotFit(
            f"{n} gradients of {size} values take {-(-needed >> 20)} MiB, above "
            f"{WHOLE_BYTES >> 20} MiB; {instead}"
        )


def curvature(shot: Snapshot, order: NDArray[np.int64]) -> RankOne:
    """The diagonal of the Hessian of each row's cross-entropy in the last layer.

    Args:
        shot: the network.
        order: rows in the order wanted.

    Raises:
        NotFinite: NaN or Inf among logits or features.
    """
    p = probabilities(shot.logits[order])
    largest = p.argmax(axis=1)
    rest = 1 - p
    rest[np.arange(len(p)), largest] = _others(p, largest)
    return RankOne(left=p * rest, right=_with_one(shot, order).astype(np.float64) ** 2)


def _others(p: Doubles, codes: NDArray[np.int64]) -> Doubles:
    """[n] sum over all classes but one: 1 less a probability that rounds to 1 would lose it."""
    others = p.copy()
    others[np.arange(len(codes)), codes] = 0.0
    return others.sum(axis=1)


def _with_one(shot: Snapshot, order: NDArray[np.int64]) -> FloatArray:
    """[n, d + 1] features with the input of the bias."""
    wide = np.ones((len(order), shot.feature.shape[1] + 1), np.float32)
    wide[:, :-1] = shot.feature[order]
    _require_finite(wide, "features")
    return wide


def _require_finite(values: FloatArray | Doubles, what: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        wrong = len(values) - int(finite.all(axis=1).sum())
        raise NotFinite(
            f"{what} of {wrong} of {len(values)} rows hold NaN or Inf: the network diverged; "
            "train it with a smaller learning rate and record the signals again"
        )
