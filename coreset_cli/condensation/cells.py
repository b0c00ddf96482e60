"""Cells of real rows: each belongs to the synthetic image that is nearest to it.

Source: Vahidian et al., "Group distributionally robust dataset distillation with risk
minimization", 2024, section 3.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["nearest_cells"]


def nearest_cells(rows: Float[Tensor, "m e"], centres: Float[Tensor, "s e"]) -> Int64[Tensor, " m"]:
    """Number of the nearest centre of each row, in Euclidean distance, the lower among equals.

    Args:
        rows: features of real pictures.
        centres: features of synthetic pictures.
    """
    # Not by inner products: they round equal distances apart.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(rows.double(), centres.double(), compute_mode=mode).argmin(1)
