"""Pick points whose mean follows a target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels import ahead, batched
from coreset_cli.kernels.cuda import chain, classes
from coreset_cli.kernels.fixed import Fixed, norm
from coreset_cli.kernels.loops import POWERS, leader, value
from coreset_cli.kernels.memo import FORGETFUL, Memo
from coreset_cli.kernels.points import TIE
from coreset_cli.kernels.several import Several

__all__ = ["NO_DIRECTION", "STATE_BYTES", "Matcher", "Rule", "direction"]

Rule = Literal["dot", "l2"]
"""Which point is next: the largest ⟨θ, x⟩, or the least ‖x − θ‖."""

NO_DIRECTION = "the centre of the rows is the zero vector: cosine has no direction to match"
"""What to tell the user where `direction` is zero."""

STATE_BYTES = 97
"""Bytes a row beside the points: scores, what is added to them, how they are made, and products
with the picks that are guessed."""


@dataclass
class Matcher:
    """Greedy matching: pick the point that θ asks for, then θ ← θ + target − point.

    After t picks θ = θ₀ + t·target − Σ picks. With θ₀ = target, `l2` is the exact greedy minimiser
    of ‖target − mean(picks)‖ at every step, because θ − x = (t+1)·target − Σ picks − x.

    Every row keeps its score, 2⟨θ, y⟩ − ‖y‖² (`l2`) or ⟨θ, y⟩ (`dot`) for y = x − origin, to which
    a pick p adds ⟨target − origin, y⟩ − ⟨p, y⟩: one pass over the rows, of one inner product.
    Scores are multiples of 2⁻¹² and stay below 2⁴⁰, for θ stays bounded: exact for rows without
    lift, and rounded in the order of picks for the others.

    Where rows at length 1 lie in a narrow cone, `dot` is computed as `l2`, which orders them alike:
    ⟨θ, x⟩ = ½ (‖θ‖² + ‖x‖² − ‖θ − x‖²), and a zero row is set back by the ‖x‖² it lacks. The inner
    product alone would have the rounding of x times the length of θ.

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

    def pick(
        self,
        points: Fixed,
        k: int,
        progress: Callable[[int, int], None],
        memo: Memo = FORGETFUL,
    ) -> list[int]:
        """Row numbers of k distinct points in the order picked; ties go to the smaller id."""
        grid, rows = points.grid, points.rows
        near = self.rule == "l2" or points.in_a_cone
        origin = grid.origin if near else torch.zeros_like(grid.origin)
        target, theta = grid.inside(self.target), (self.theta - origin) * 2.0**grid.step
        factor = 2 if near else 1
        state, pull = points.scores(theta, factor), points.scores(target, factor)
        if near:
            state -= points.powers**2 * rows.squares
        if near and self.rule == "dot":
            state[points.zeros] -= 4.0**grid.step
        picks: list[int] = []
        kept = memo.recall()
        if kept is not None:
            picks = kept["picks"].tolist()
            state.copy_(torch.from_numpy(kept["state"]))
            theta = torch.from_numpy(kept["theta"]).to(theta)
        row = leader(state, rows.rank)
        ways = (
            (classes, classes.holds),
            (chain, chain.holds),
            (ahead, ahead.holds),
            (batched, batched.holds),
        )
        several: Several | None = next((way for way, holds in ways if holds(points)), None)
        if several is not None:
            to, towards = theta.cpu(), target.cpu()
            for batch in several.match(points, state, pull, factor, row, k - len(picks)):
                for values in chain.values(rows, batch):
                    to = to + towards - values
                picks += points.points.places[batch.cpu().numpy()].tolist()
                progress(len(picks), k)
                if memo.due() and len(picks) < k:
                    now = {"state": state.cpu().numpy(), "theta": to.numpy()}
                    memo.keep({"picks": np.array(picks), **now}, len(picks))
            self.theta = to.to(theta) / 2.0**grid.step + origin
            return picks
        while True:
            pick = points.best(row, value(state, row))
            picks.append(pick.place)
            progress(len(picks), k)
            theta = theta + target - points.row(pick)
            if row >= 0 and pick.rank == int(rows.rank[row]):
                state[row] = -torch.inf
            if len(picks) == k:
                self.theta = theta / 2.0**grid.step + origin
                return picks
            values = torch.from_numpy(pick.values).to(points.device)
            step = factor * float(POWERS[pick.lift])
            row = points.points.loops.advance(rows, state, pull, values, step)
            if memo.due():
                now = {"state": state.cpu().numpy(), "theta": theta.cpu().numpy()}
                memo.keep({"picks": np.array(picks), **now}, len(picks))

    def walk(
        self,
        points: Fixed,
        batches: Sequence[tuple[NDArray[np.int64], int]],
        progress: Callable[[int, int], None],
        memo: Memo,
    ) -> list[int]:
        """Row numbers of picks from one batch after another, θ carried over.

        Args:
            points: the rows of all batches.
            batches: rows of each and how many to pick of them.
            progress: called with picks done and in all.
            memo: where finished batches are kept.
        """
        total = sum(quota for _, quota in batches)
        picks: list[int] = []
        begin = 0
        kept = memo.recall()
        if kept is not None:
            picks, begin = kept["picks"].tolist(), int(kept["batches"])
            self.theta = torch.from_numpy(kept["theta"]).to(self.theta)
        for number, (batch, quota) in enumerate(batches):
            if number < begin:
                continue

            def told(step: int, _: int, done: int = len(picks)) -> None:
                progress(done + step, total)

            pool = points if len(batch) == len(points) else points.take(batch)
            piece = memo.part(f"batch-{number}")
            picks += self.pick(pool, quota, told, piece)
            piece.close()
            if memo.due():
                now = {"batches": np.array(number + 1), "theta": self.theta.cpu().numpy()}
                memo.keep({"picks": np.array(picks), **now}, len(picks))
        return picks


def direction(vector: Float[Tensor, " d"], reach: float) -> Float[Tensor, " d"]:
    """The vector at length 1; zero where it is no longer than rounding, and has no direction.

    Args:
        vector: a centre of points.
        reach: the usual length of the points.
    """
    size = norm(vector)
    return vector / size if size > TIE * reach else torch.zeros_like(vector)
