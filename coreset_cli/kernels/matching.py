"""Pick points whose mean follows a target."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.kernels.distance import squared_norms
from coreset_cli.kernels.points import TIE, Points

__all__ = ["NO_DIRECTION", "Matcher", "Rule", "direction"]

Rule = Literal["dot", "l2"]
"""Which point is next: the largest ⟨θ, x⟩, or the least ‖x − θ‖."""

NO_DIRECTION = "the centre of the rows is the zero vector: cosine has no direction to match"
"""What to tell the user where `direction` is zero."""

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
        """Rows of k distinct points in the order picked; near ties go to the smaller id.

        Two points are equidistant from their mean, so a pool of two is taken in order of id under
        `l2`: what is near is judged by the numbers that were added up, however far outside they
        lie.
        """
        squares = squared_norms(points)
        norms = squares.sqrt()
        pull = _products(points, self.target)
        running = _products(points, self.theta)
        reach = float(self.target.norm())
        picks: list[int] = []
        for step in range(1, k + 1):
            summed = max(reach, float(self.theta.norm()))
            if self.rule == "l2":
                value, rounding = 2 * running - squares, TIE * norms * (norms + summed)
            else:
                value, rounding = running, TIE * norms * summed
            row = points.best(value, rounding + rounding[int(value.argmax())])
            picks.append(row)
            progress(step, k)
            point = points.rows(torch.tensor([row]))[0]
            self.theta = self.theta + self.target - point
            if step == k:
                break
            if step % REFRESH:
                running += pull
                running -= _products(points, point)
                running[row] = -torch.inf
                reach = max(reach, float(norms[row]))
            else:
                running = _products(points, self.theta)
                running[picks] = -torch.inf
                reach = float(self.target.norm())
        return picks


def direction(vector: Float[Tensor, " d"], reach: float) -> Float[Tensor, " d"]:
    """The vector at length 1; zero where it is no longer than rounding, and has no direction.

    Args:
        vector: a centre of points.
        reach: the usual length of the points.
    """
    norm = float(vector.norm())
    return vector / norm if norm > TIE * reach else torch.zeros_like(vector)


def _products(points: Points, vector: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    return points.each(lambda block: block @ vector)
