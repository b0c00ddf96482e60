"""How the parameters of a last layer move when a row is left out of training."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from coreset_cli.kernels.gradients import RankOne

__all__ = ["influences"]

Doubles = NDArray[np.float64]


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
    n = gradients.n
    outputs = np.diag(p.mean(axis=0)) - p.T @ p / n
    inputs = sum(
        (right.T @ right / n for _, right in gradients.blocks()),
        np.zeros((gradients.right.shape[1],) * 2),
    )
    left = cho_solve(cho_factor(_damped(outputs, damping)), gradients.left.T).T / n
    factor = cho_factor(_damped(inputs, damping))
    right = np.empty(gradients.right.shape, np.float32)
    for which, block in gradients.blocks():
        right[which] = cho_solve(factor, block.T).T
    return RankOne(left=left, right=right)


def _damped(factor: Doubles, damping: float) -> Doubles:
    """The factor with its share on the diagonal; 1 where it is 0."""
    mean = float(np.trace(factor)) / len(factor)
    added = damping * mean if mean > 0 else 1.0
    return factor + added * np.eye(len(factor))
