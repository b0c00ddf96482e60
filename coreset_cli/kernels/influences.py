"""How the parameters of a last layer move when a row is left out of training."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from coreset_cli.errors import NumericalError
from coreset_cli.kernels.gradients import WHOLE_BYTES, RankOne, require_room

__all__ = ["exact_influences", "hessian", "influences"]

INSTEAD = "use --set hessian=factors, or classes one by one with --balance proportional"

BLOCK_VALUES = 1 << 21
"""Values that are worked on at a time: 16 MiB as float64."""

TOLERANCE = 1e-6
"""Residual, relative to the gradient, at which conjugate gradients stop."""

STEPS = 1000
"""Steps of conjugate gradients at most; well above what the least damping asked for."""

Doubles = NDArray[np.float64]
Linear = Callable[[Doubles], Doubles]
"""[b, c, q] to [b, c, q], each by itself."""


def influences(gradients: RankOne, p: Doubles, damping: float) -> RankOne:
    """H⁻¹∇ℓᵢ/n of each row, with the Hessian of the mean loss as two Kronecker factors.

    One is the mean of diag(p) − ppᵀ over the rows, the other the mean of h̃h̃ᵀ; each is damped by a
    share of its mean eigenvalue, for the first is singular along the vector of ones.

    Source: Martens & Grosse, "Optimizing neural networks with Kronecker-factored approximate
    curvature", ICML 2015, section 6.3.

    Args:
        gradients: of the last layer, of n rows.
        p: [n, c] probabilities of the same rows.
        damping: relative to the mean eigenvalue of each factor, above 0.
    """
    outputs, inputs = (cho_factor(_damped(one, damping)) for one in _factors(gradients, p))
    left = cho_solve(outputs, gradients.left.T).T / gradients.n
    right = np.empty(gradients.right.shape, np.float32)
    for which, block in gradients.blocks():
        right[which] = cho_solve(inputs, block.T).T
    return RankOne(left=left, right=right)


def exact_influences(gradients: RankOne, p: Doubles, damping: float) -> RankOne:
    """H⁻¹∇ℓᵢ/n of each row, with the Hessian H of the mean loss itself, damped.

    H is the mean of (diag(p) − ppᵀ) ⊗ h̃h̃ᵀ. It is written out and solved for where it fits beside
    the influences; else each is found by conjugate gradients, of products with H that need the two
    factors of every row alone, preconditioned by the Kronecker factors.

    Source: Koh & Liang, "Understanding black-box predictions via influence functions", ICML 2017,
    equation 1 and section 3; Böhning, "Multinomial logistic regression algorithm", AISM 1992 (H).

    Args:
        gradients: of the last layer, of n rows.
        p: [n, c] probabilities of the same rows.
        damping: relative to the mean eigenvalue of H, above 0; added to all of them.

    Returns:
        Each of them in one row, [1, c·q], and a 1 on the left.

    Raises:
        DoesNotFit: they do not fit.
        NumericalError: conjugate gradients did not come near enough.
    """
    n, size = gradients.n, gradients.left.shape[1] * gradients.right.shape[1]
    require_room(n, size, INSTEAD)
    ridge = _ridge(_mean_eigenvalue(gradients, p), damping)
    if 8 * size * size + 4 * n * size <= WHOLE_BYTES:
        solve = _direct(gradients, p, ridge)
    else:
        solve = _iterative(gradients, p, ridge, damping)
    moves = np.empty((n, size), np.float32)
    for which in _slices(n, size):
        some = gradients.take(np.arange(n)[which])
        moves[which] = solve(_outer(some)).reshape(-1, size) / n
    return RankOne(left=np.ones((n, 1)), right=moves)


def hessian(gradients: RankOne, p: Doubles) -> Doubles:
    """[c·q, c·q] the mean of (diag(p) − ppᵀ) ⊗ h̃h̃ᵀ, written out.

    Args:
        gradients: of n rows; only h̃, the right vectors, are read.
        p: [n, c] probabilities.
    """
    c, q = p.shape[1], gradients.right.shape[1]
    whole = np.zeros((c, q, c, q))
    for which, right in gradients.blocks():
        for a in range(c):
            for b in range(a + 1):
                weights = p[which, a] * ((a == b) - p[which, b]) / gradients.n
                whole[a, :, b] += (right * weights[:, None]).T @ right
    for a in range(c):
        for b in range(a):
            whole[b, :, a] = whole[a, :, b]  # blocks are symmetric themselves
    return whole.reshape(c * q, c * q)


def _direct(gradients: RankOne, p: Doubles, ridge: float) -> Linear:
    """Solve with the damped Hessian by its Cholesky factor."""
    whole = hessian(gradients, p)
    whole.flat[:: len(whole) + 1] += ridge
    factor = cho_factor(whole.T, lower=True, overwrite_a=True, check_finite=False)
    return lambda some: cho_solve(factor, some.reshape(len(some), -1).T).T.reshape(some.shape)


def _iterative(gradients: RankOne, p: Doubles, ridge: float, damping: float) -> Linear:
    """Solve with the damped Hessian by preconditioned conjugate gradients."""
    outputs, inputs = (np.linalg.inv(_damped(one, damping)) for one in _factors(gradients, p))

    def product(some: Doubles) -> Doubles:
        return _curved(gradients, p, some) + ridge * some

    return lambda some: _conjugate_gradients(product, lambda left: outputs @ left @ inputs, some)


def _curved(gradients: RankOne, p: Doubles, some: Doubles) -> Doubles:
    """[b, c, q] the Hessian times each: the mean of (diag(p) − ppᵀ) V h̃h̃ᵀ."""
    b, c, q = some.shape
    total = np.zeros((b * c, q))
    for which in _slices(gradients.n, b * c):
        right, mine = gradients.right[which].astype(np.float64), p[which, None]
        through = mine * (right @ some.reshape(b * c, q).T).reshape(-1, b, c)
        through -= mine * through.sum(axis=2, keepdims=True)
        total += through.reshape(-1, b * c).T @ right
    return (total / gradients.n).reshape(b, c, q)


def _conjugate_gradients(product: Linear, precondition: Linear, wanted: Doubles) -> Doubles:
    """[b, c, q] what `product` maps to `wanted`, each by itself.

    Source: Hestenes & Stiefel, J. Res. Natl. Bur. Stand. 49, 1952.
    """
    found, left = np.zeros_like(wanted), wanted.copy()
    enough = TOLERANCE * np.sqrt(_inner(wanted, wanted))
    way = precondition(left)
    gain = _inner(left, way)
    tiny = np.finfo(float).tiny
    for _ in range(STEPS):
        if (np.sqrt(_inner(left, left)) <= enough).all():
            return found
        bent = product(way)
        step = gain / np.maximum(_inner(way, bent), tiny)
        found += step * way
        left -= step * bent
        ahead = precondition(left)
        before, gain = gain, _inner(left, ahead)
        way = ahead + gain / np.maximum(before, tiny) * way
    raise NumericalError(
        f"influence: conjugate gradients are not within {TOLERANCE} of the gradients after "
        f"{STEPS} steps; use more --set damping, or --set hessian=factors"
    )


def _inner(some: Doubles, others: Doubles) -> Doubles:
    """[b, 1, 1] inner product of each with its like."""
    return np.einsum("bcq,bcq->b", some, others)[:, None, None]


def _outer(gradients: RankOne) -> Doubles:
    """[n, c, q] every entry."""
    return gradients.left[:, :, None] * gradients.right[:, None, :].astype(np.float64)


def _slices(n: int, width: int) -> Iterator[slice]:
    """Rows of as many values as are worked on at a time."""
    step = max(1, BLOCK_VALUES // width)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _factors(gradients: RankOne, p: Doubles) -> tuple[Doubles, Doubles]:
    """[c, c] mean of diag(p) − ppᵀ, and [q, q] mean of h̃h̃ᵀ."""
    n = gradients.n
    inputs = sum(
        (right.T @ right / n for _, right in gradients.blocks()),
        np.zeros((gradients.right.shape[1],) * 2),
    )
    return np.diag(p.mean(axis=0)) - p.T @ p / n, inputs


def _mean_eigenvalue(gradients: RankOne, p: Doubles) -> float:
    """Of the Hessian: its trace is the mean of (1 − Σ p²)‖h̃‖²."""
    squares = np.concatenate([(right**2).sum(1) for _, right in gradients.blocks()])
    trace = float(np.mean((p * (1 - p)).sum(axis=1) * squares))
    return trace / (p.shape[1] * gradients.right.shape[1])


def _damped(factor: Doubles, damping: float) -> Doubles:
    """The factor with its share on the diagonal."""
    return factor + _ridge(float(np.trace(factor)) / len(factor), damping) * np.eye(len(factor))


def _ridge(mean_eigenvalue: float, damping: float) -> float:
    """What is added to every eigenvalue; 1 where all are 0."""
    return damping * mean_eigenvalue if mean_eigenvalue > 0 else 1.0
