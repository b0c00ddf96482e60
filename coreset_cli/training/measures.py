"""What the logits of a step say of each row."""

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

__all__ = ["drift", "measured"]

EPSILON = 1e-8
"""Added to probabilities before their logarithm, as the authors of `drift` do."""


def measured(
    logits: Float64[Tensor, "m k"], targets: Int64[Tensor, " m"]
) -> tuple[Float64[Tensor, "m k"], dict[str, Float64[Tensor, " m"]]]:
    """Probabilities, and what is recorded of them, in float64.

    Args:
        logits: of some rows.
        targets: class of each.
    """
    own = targets[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_own = classes == own
    p = logits.softmax(1)
    others = p.masked_fill(is_own, 0.0)
    # −Σ of the others: p − 1 would round to 0 for rows that are fitted well.
    error = torch.where(is_own, -others.sum(1, keepdim=True), p)
    largest = torch.where(logits == logits.amax(1, keepdim=True), classes, len(classes)).amin(1)
    found = {
        "correct": (largest == targets).double(),
        "margin": _margin(logits, is_own),
        "margin_prob": _margin(p, is_own),
        "p_true": p.gather(1, own)[:, 0],
        "error_norm": error.norm(dim=1),
    }
    return p, found


def drift(p: Float64[Tensor, "m k"], before: Float64[Tensor, "m k"]) -> Float64[Tensor, " m"]:
    """Σ |p·(log p − log p′)| over classes, p′ being the probabilities an epoch before."""
    return (p * ((p + EPSILON).log() - (before + EPSILON).log())).abs().sum(1)


def _margin(values: Float64[Tensor, "m k"], is_own: Bool[Tensor, "m k"]) -> Float64[Tensor, " m"]:
    """Own value less the largest of the others."""
    own = values.masked_fill(~is_own, -torch.inf).amax(1)
    return own - values.masked_fill(is_own, -torch.inf).amax(1)
