"""How far two gradients are from each other, tensor by tensor.

Source: `layers`: Zhao, Mopuri & Bilen, "Dataset condensation with gradient matching", ICLR 2021,
section 2 and the authors' code; `mse` and `l1`: Kim et al., "Dataset condensation via efficient
synthetic-data parameterization", ICML 2022.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Metric", "gradient_distance"]

Metric = Literal["layers", "cosine", "mse", "l1"]
"""`layers`: one minus the cosine of each unit's weights, summed; `cosine`: of the whole gradient;
`mse`, `l1`: squares or absolute values of all differences, summed."""

TINY = 1e-6
"""Added to the product of two lengths."""


def gradient_distance(
    found: Sequence[Tensor], wanted: Sequence[Tensor], metric: Metric = "layers"
) -> Float[Tensor, ""]:
    """Distance of two gradients of the same parameters, differentiable in both.

    Args:
        found: a tensor a parameter.
        wanted: the same of the other gradient.
        metric: which distance. `layers` takes only weights with two axes or more, and counts a
            unit whose gradient is 0 on either side as 1.
    """
    pairs = list(zip(found, wanted, strict=True))
    if metric == "layers":
        return torch.stack(
            [_turned(a.flatten(1), b.flatten(1)) for a, b in pairs if a.ndim > 1]
        ).sum()
    one, other = (torch.cat([pair[side].flatten() for pair in pairs]) for side in (0, 1))
    if metric == "cosine":
        return _turned(one[None], other[None])
    difference = one - other
    return difference.square().sum() if metric == "mse" else difference.abs().sum()


def _turned(a: Float[Tensor, "o r"], b: Float[Tensor, "o r"]) -> Float[Tensor, ""]:
    """Sum over rows of one minus their cosine."""
    # The norm of a library has derivative 0 at 0, where that of a square root is infinite.
    lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return (1 - (a * b).sum(1) / (lengths + TINY)).sum()
