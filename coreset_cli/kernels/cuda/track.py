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
    def starting(cls, rows: Int64[Tensor, " m"], score: float, k: int) -> "Track":
        """Room for k picks and one more.

        Args:
            rows: earlier picks, and at last the row that leads now.
            score: of the row that leads.
            k: picks in all.
        """
        picks = torch.zeros(k + 1, dtype=torch.int64, device=rows.device)
        scores = torch.zeros(k + 1, dtype=torch.float64, device=rows.device)
        picks[: len(rows)], scores[len(rows) - 1] = rows, score
        return cls(picks, scores, torch.tensor([len(rows) - 1], device=rows.device))
