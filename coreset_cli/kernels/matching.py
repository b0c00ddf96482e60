"""Pick points whose mean follows a target."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import squared_norms
from coreset_cli.kernels.points import TIE, Points

__all__ = ["Matcher", "Rule", "unit"]

Rule = Literal["dot", "l2"]
"""Which point is next: the largest ⟨θ, x⟩, or the least ‖x − θ‖."""

REFRESH = 1000
"""Picks after which the running scores are computed anew from θ."""


@dataclass
class Matcher:
    """Greedy matching: pick the point that θ asks for, then θ ← θ + target − point.

    After t picks θ = θ₀ + t·target − Σ picks. With θ₀ = target, `l2` is the exact greedy minimiser
    of ‖target − mean(picks)‖ at every step, because θ − x = (t+1)·target − Σ picks − x.

    Source: Chen, Welling & Smola, "Super-samples from kernel herding", UAI 2010, eq. 8; Acharya et
    al., "Geometric Median Matching", ICML 2025, algorithm 1.

    Args:
        target: [d] what the mean of the picks follows.
        theta: [d] state; changed by every pick, carried from pool to pool.
        rule: which point is next.
    """

    target: Float[Tensor, " d"]
    theta: Float[Tensor, " d"]
    rule: Rule

    def pick(self, points: Points, k: int, progress: Callable[[int, int], None]) -> list[int]:
        """Rows of k distinct points in the order picked.

        Two points are equidistant from their mean, so a pool of two under `l2` whose target is
        that mean is taken in order of id: the tie is real, and near ties go to the smaller id.
        """
        norms = squared_norms(points)

        def products(vector: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
            return points.each(lambda block: block @ vector)

        pull = products(self.target)
        running = products(self.theta)
        taken = torch.zeros(points.n, dtype=torch.bool, device=points.device)
        picks: list[int] = []
        for step in range(k):
            value = 2 * running - norms if self.rule == "l2" else running
            value = value.masked_fill(taken, -torch.inf)
            reach = norms[int(value.argmax())].sqrt()
            row = points.best(value, float(TIE * reach * (reach + self.theta.norm())))
            taken[row] = True
            picks.append(row)
            point = points.rows(torch.tensor([row]))[0]
            self.theta = self.theta + self.target - point
            if step + 1 < k:
                fresh = (step + 1) % REFRESH == 0
                running = products(self.theta) if fresh else running + pull - products(point)
            progress(step + 1, k)
        return picks


def unit(vector: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The vector at length 1; the zero vector stays zero."""
    norm = vector.norm()
    return vector / norm if norm > 0 else vector
