"""A loss of pairs: outputs of one class are drawn together, those of two are pushed apart.

Source: "ECHO", its structural term: the contrastive loss of Hadsell, Chopra & LeCun,
"Dimensionality reduction by learning an invariant mapping", CVPR 2006, the hinge not squared.
Cost: O(m² c) time and O(m²) memory for m rows of a batch.
"""

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

__all__ = ["structure_loss"]

ROOT = 1e-12
"""Added below the root of a distance, whose slope at 0 is not finite."""


def structure_loss(
    outputs: Float[Tensor, "m c"],
    targets: Int64[Tensor, " m"],
    *,
    margin: float,
    weights: Float32[Tensor, " m"] | None = None,
) -> Float[Tensor, ""]:
    """Mean ‖fᵢ−fⱼ‖² over pairs of one class, and mean max(0, margin − ‖fᵢ−fⱼ‖) over all others.

    The mean of no pairs is 0.

    Args:
        outputs: fᵢ, the logits.
        targets: class of each row.
        margin: distance from which rows of two classes are far enough.
        weights: of the rows; those of a pair are multiplied, and the means are weighted.
    """
    # Differences and not products: near rows would have the distance of their rounding.
    away = torch.cdist(outputs, outputs, compute_mode="donot_use_mm_for_euclid_dist")
    squares = away.square()
    short = (margin - (squares + ROOT).sqrt()).clamp_min(0)
    same = targets[:, None] == targets
    pairs = torch.ones_like(same).fill_diagonal_(0)
    scale = torch.ones_like(squares) if weights is None else weights[:, None] * weights
    return _mean(squares, scale, same & pairs) + _mean(short, scale, ~same)


def _mean(
    values: Float[Tensor, "m m"], scale: Float[Tensor, "m m"], which: Bool[Tensor, "m m"]
) -> Float[Tensor, ""]:
    """Weighted mean of some entries; 0 where they have no weight."""
    share = scale * which
    total = share.sum()
    return (share * values).sum() / total.where(total > 0, 1.0)
