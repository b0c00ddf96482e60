"""How the loss curves about a network's last layer, in closed form and differentiable in pixels.

With logits z, p = softmax z and the last layer's input h̃ (features and a 1 for the bias), the
cross-entropy of a row has the gradient (p − y) h̃ᵀ there, and the diagonal of its Hessian is
p(1 − p) (h̃²)ᵀ: one forward pass gives both, and nothing of the size of all rows by all parameters
is held.

Source: Shin, Bae, Shin, Joo & Moon, "Loss-curvature matching for dataset selection and
condensation", AISTATS 2023, sections 4.1 and 4.3.
Deviates: of the last layer alone; computed in float64.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Answers",
    "Curvature",
    "Gap",
    "curvature_gap",
    "gradient_variance",
    "hessian_diagonal",
]

Curvature = Literal["hessian", "gradient-variance"]
"""The diagonal of the mean Hessian, or the variance of the rows' gradients."""

Gap = Literal["top", "max", "l1", "l2"]
"""Difference of two curvatures: summed over the entries that vary most, its largest entry, or a
norm of all entries."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a network says of a batch.

    Args:
        logits: [m k].
        features: [m e] what its last layer reads.
        targets: [m] class of each row.
    """

    logits: Float[Tensor, "m k"]
    features: Float[Tensor, "m e"]
    targets: Int64[Tensor, " m"]


def hessian_diagonal(answers: Answers) -> Float64[Tensor, "k e1"]:
    """Diagonal of the Hessian of the mean cross-entropy in the last layer; labels do not matter.

    Entry (c, q) belongs to the weight of feature q in class c, the last q to the bias.
    """
    factors = _hessian_factors(answers)
    return _mean(*factors)


def gradient_variance(answers: Answers) -> Float64[Tensor, "k e1"]:
    """Variance over the rows, divided by m, of each entry of the last layer's gradient.

    Of one row, or of copies of one, it is 0 whatever the row.
    """
    error, inputs = _gradient_factors(answers)
    return _variance(error, inputs)


def curvature_gap(
    real: Answers, synthetic: Answers, *, curvature: Curvature, gap: Gap, coordinates: int
) -> Float64[Tensor, ""]:
    """How far the curvature of a synthetic batch is from that of a real one, which is a constant.

    Args:
        real: answers to real rows.
        synthetic: answers to synthetic rows, of the same network.
        curvature: what is compared.
        gap: how entries are summed up.
        coordinates: entries that `top` compares: those that vary most among the real rows, ties to
            the first; all where there are fewer.
    """
    of = hessian_diagonal if curvature == "hessian" else gradient_variance
    with torch.no_grad():
        wanted = of(real).flatten()
        most = _most_varying(real, curvature, coordinates) if gap == "top" else None
    away = of(synthetic).flatten() - wanted
    if most is not None:
        return away[most].abs().sum()
    if gap == "max":
        return away.abs().max()
    # The norm of a library has derivative 0 at 0, where that of a square root is infinite.
    return torch.linalg.vector_norm(away, ord=1 if gap == "l1" else 2)


def _most_varying(real: Answers, curvature: Curvature, count: int) -> Int64[Tensor, " q"]:
    """Numbers of the entries whose values vary most from row to row, ties to the lower number."""
    factors = _hessian_factors(real) if curvature == "hessian" else _gradient_factors(real)
    spread = _variance(*factors).flatten()
    return spread.argsort(descending=True, stable=True)[:count]


def _hessian_factors(
    answers: Answers,
) -> tuple[Float64[Tensor, "m k"], Float64[Tensor, "m e1"]]:
    p = answers.logits.double().softmax(1)
    return p * (1 - p), _inputs(answers).square()


def _gradient_factors(
    answers: Answers,
) -> tuple[Float64[Tensor, "m k"], Float64[Tensor, "m e1"]]:
    p = answers.logits.double().softmax(1)
    return p - functional.one_hot(answers.targets, p.shape[1]), _inputs(answers)


def _inputs(answers: Answers) -> Float64[Tensor, "m e1"]:
    """Features with a 1 for the bias."""
    return functional.pad(answers.features.double(), (0, 1), value=1.0)


def _mean(left: Float64[Tensor, "m k"], right: Float64[Tensor, "m e1"]) -> Float64[Tensor, "k e1"]:
    """Mean of the rows' outer products."""
    return left.T @ right / len(left)


def _variance(
    left: Float64[Tensor, "m k"], right: Float64[Tensor, "m e1"]
) -> Float64[Tensor, "k e1"]:
    """Variance of the entries of the rows' outer products."""
    return _mean(left.square(), right.square()) - _mean(left, right).square()
