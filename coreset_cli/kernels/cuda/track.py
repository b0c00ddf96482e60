"""What a chain of picks leaves behind on its device."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["Track"]


@dataclass(frozen=True)
class Track:
    """Picks of a chain, one of which is not yet taken out.

    Args:
        picks: [t] rows in the order picked; the one at `done` leads now.
        scores: [t] score of each when it led.
        done: [1] picks that are taken out.
    """

    picks: Int64[Tensor, " t"]
    scores: Float64[Tensor, " t"]
    done: Int64[Tensor, " 1"]

    @classmethod
    def starting(cls, row: int, score: float, k: int, device: torch.device) -> "Track":
        """Room for k picks after the first."""
        picks = torch.zeros(k + 1, dtype=torch.int64, device=device)
        scores = torch.zeros(k + 1, dtype=torch.float64, device=device)
        picks[0], scores[0] = row, score
        return cls(picks, scores, torch.zeros(1, dtype=torch.int64, device=device))
