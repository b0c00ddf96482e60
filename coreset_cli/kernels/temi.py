"""TEMI: clusters from heads that learn to give a row and its neighbours the same cluster.

Each head is a small network with a student, which learns, and a teacher, which is its running mean.
A student is rewarded for agreeing with the teacher on a neighbour, less what agreeing on a cluster
of that size is worth by chance: pointwise mutual information. Pairs on which all teachers agree
count most. The labels are those of the teacher of least loss. Everything runs in the order of the
ids, so the order of rows in the file changes nothing.

Source: Adaloglou, Michels, Kalisch & Kollmann, "Exploring the limits of deep image clustering using
pretrained models", BMVC 2023, eq. 5 to 8; hyperparameters as Zheng et al., "ELFS", ICLR 2025.
Cost: O(n² d) time for the neighbours and O(h e n (d + 256)) for h heads and e epochs, 512 times
eight products of two numbers; O(n (d + m)) memory for m neighbours, and 20 bytes a weight.
Deviates: rows are at length 1, centred and scaled together; the published code chooses among the
heads and epochs by the true labels. A teacher's memory follows the length of the training.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from coreset_cli.errors import NotFinite
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.neighbours import nearest_rows
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key, Rng

__all__ = ["Temi", "agreement_loss", "pair_weights"]

WIDTHS = (512, 256)
"""Of the hidden layers of a head."""

TEMPERATURE = 0.1
"""Logits are divided by it."""

BETA = 0.6
"""Power of the probabilities in the agreement: below 1, rows spread over the clusters."""

MEMORY = 0.0255
"""Share of all steps that a teacher is the mean of: it keeps 0.996 of itself in a step of the 9,800
that the paper takes for 50,000 rows, and as long a part of a shorter training."""

PRIOR = 0.9
"""What the sizes of the clusters keep of themselves in a step."""

DECAY = 1e-4
"""Weight decay."""

WARM_UP = 0.1
"""Share of the epochs in which the learning rate rises."""

SPREAD = 0.02
"""Deviation of the first weights, as those of DINO's heads."""

COMPARED = 8.0
"""Products of a training step that comparing two values of a pair of rows takes as long as."""


BLOCK = 8192
"""Rows that are given their cluster at once."""


class _Head(nn.Sequential):
    """Logits of the clusters."""

    def __init__(self, d: int, count: int, generator: torch.Generator) -> None:
        layers = [nn.utils.skip_init(nn.Linear, *shape) for shape in _shapes(d, count)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=SPREAD, generator=generator)
            nn.init.zeros_(layer.bias)
        super().__init__(layers[0], nn.GELU(), layers[1], _Unit(), layers[2])


class _Unit(nn.Module):
    """Every row at length 1."""

    def forward(self, rows: Float32[Tensor, "b h"]) -> Float32[Tensor, "b h"]:
        """Divide by the norm."""
        return functional.normalize(rows)


@dataclass(frozen=True, kw_only=True)
class Temi:
    """How heads are trained.

    Args:
        neighbours: nearest rows of each row, of which one is drawn in every epoch.
        heads: how many are trained.
        epochs: passes over the rows.
        batch: rows a step.
        rate: learning rate, after it has risen.
    """

    neighbours: int
    heads: int
    epochs: int
    batch: int
    rate: float

    def codes(
        self, points: Points, count: int, rng: Rng, progress: Callable[[int, int], None]
    ) -> NDArray[np.int64]:
        """[n] cluster of each row; a cluster may have no rows.

        Args:
            points: two rows or more.
            count: clusters.
            rng: draws weights, the order of rows, and neighbours.
            progress: told the rows done and in all; an epoch is n, and so are the neighbours.

        Raises:
            NotFinite: the training diverged.
        """
        n, total = points.n, points.n * (1 + self.epochs)
        order = np.argsort(points.key.rank)
        unit = points.subset(order).unit()
        near = nearest_rows(fixed(unit), self.neighbours, lambda done, _: progress(done, total))
        rows = _centred(unit)
        word = int(rng.draws("temi weights", Key(np.zeros(1, np.int64), np.zeros(1, np.uint64)))[0])
        generator = torch.Generator().manual_seed(word >> 1)
        students = nn.ModuleList(_Head(points.d, count, generator) for _ in range(self.heads))
        students.to(rows.device)
        steps = -(-n // self.batch)
        memory = max(1.0, MEMORY * self.epochs * steps)
        trained = _Trained(students, count, rate=self.rate, moved=1 / memory)
        for epoch in range(self.epochs):
            trained.losses.zero_()
            pairs = _pairs(unit.key, near, rng, epoch).to(rows.device)
            for step, some in enumerate(pairs.tensor_split(steps)):
                rising = (epoch * steps + step + 1) / max(1.0, WARM_UP * self.epochs * steps)
                trained.step(rows, some, self.rate * min(1.0, rising))
            progress(n * (epoch + 2), total)
        if not trained.losses.isfinite().all():
            raise NotFinite(
                f"the heads of the clusters diverged at a learning rate of {self.rate:g}; "
                "lower it, as in --set head_rate=1e-4"
            )
        found = np.empty(n, np.int64)
        found[order] = trained.codes(rows)
        return found

    def memory(self, n: int, d: int, count: int) -> int:
        """Rows as rounded and as read, neighbours, students, teachers, and what a step holds."""
        weights = sum(a * b + b for a, b in _shapes(d, count))
        step = 2 * 4 * min(n, self.batch) * (d + 6 * sum(WIDTHS) + (6 + 2 * self.heads) * count)
        return n * (6 * d + 24 * min(n, self.neighbours) + 160) + 20 * self.heads * weights + step

    def work(self, n: int, d: int, count: int) -> float:
        """All pairs once, and each row eight times through every head in every epoch."""
        weights = sum(a * b for a, b in _shapes(d, count))
        return COMPARED * n * n * d + 8.0 * n * self.heads * self.epochs * weights

    def brief(self) -> "Temi":
        """One epoch of one head."""
        return replace(self, heads=1, epochs=1)


def agreement_loss(
    student: Float[Tensor, "b c"],
    teacher: Float[Tensor, "b c"],
    prior: Float[Tensor, " c"],
    weights: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """Mean over pairs of −w · ln Σ_c (q_s(c) q_t(c))^β / p(c).

    Args:
        student: logarithms of the probabilities of a row.
        teacher: of its neighbour.
        prior: probability of each cluster.
        weights: of the pairs.
    """
    return -(weights * (BETA * (student + teacher) - prior.log()).logsumexp(1)).mean()


def pair_weights(teachers: Float[Tensor, "h b c"]) -> Float[Tensor, " p"]:
    """How far teachers give both rows of a pair the same cluster, mean over heads.

    Args:
        teachers: logarithms of probabilities; the b rows are p rows and then their neighbours.
    """
    one, other = teachers.exp().chunk(2, dim=1)
    return (one * other).sum(2).mean(0)


class _Trained:
    """Students, teachers, and the sizes of their clusters.

    Args:
        students: heads, trained in place; their teachers begin as they are.
        count: clusters.
        rate: learning rate.
        moved: share of the way to its student that a teacher goes in a step.
    """

    def __init__(self, students: nn.ModuleList, count: int, *, rate: float, moved: float) -> None:
        weights = list(students.parameters())
        self.students = students
        self.teachers = deepcopy(students).requires_grad_(False)
        self.losses = torch.zeros(len(students), device=weights[0].device)
        self._moved = moved
        self._optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=DECAY)
        self._prior = torch.full((len(students), count), 1 / count, device=weights[0].device)

    def step(self, rows: Float32[Tensor, "n d"], pairs: Int64[Tensor, "b 2"], rate: float) -> None:
        """Learn from some pairs of rows."""
        seen = rows[pairs.T.flatten()]
        with torch.no_grad():
            told = torch.stack([_log_probabilities(head, seen) for head in self.teachers])
            self._prior.lerp_(told.exp().mean(1), 1 - PRIOR)
            weights = pair_weights(told).repeat(2)
        swapped = told.roll(len(pairs), dims=1)
        self._optimiser.zero_grad()
        for number, head in enumerate(self.students):
            own = _log_probabilities(head, seen)
            loss = agreement_loss(own, swapped[number], self._prior[number], weights)
            loss.backward()
            self.losses[number] += loss.detach()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        with torch.no_grad():
            for mean, value in zip(
                self.teachers.parameters(), self.students.parameters(), strict=True
            ):
                mean.lerp_(value, self._moved)

    @torch.no_grad()
    def codes(self, rows: Float32[Tensor, "n d"]) -> NDArray[np.int64]:
        """[n] largest cluster by the teacher of least loss in the last epoch."""
        best = self.teachers[int(self.losses.argmin())]
        return torch.cat([best(some).argmax(1) for some in rows.split(BLOCK)]).cpu().numpy()


def _shapes(d: int, count: int) -> list[tuple[int, int]]:
    """Inputs and outputs of the layers of a head."""
    sizes = (d, *WIDTHS, count)
    return list(pairwise(sizes))


def _log_probabilities(head: nn.Module, rows: Float32[Tensor, "b d"]) -> Float32[Tensor, "b c"]:
    return functional.log_softmax(head(rows) / TEMPERATURE, dim=1)


def _centred(unit: Points) -> Float32[Tensor, "n d"]:
    """All rows less their mean, with values of deviation 1 over all features together."""
    centre = mean(unit)
    rows = torch.empty(unit.n, unit.d, device=unit.device)
    for start, block in unit.blocks():
        rows[start : start + len(block)] = block - centre
    size = float(torch.linalg.vector_norm(rows)) / rows.numel() ** 0.5
    return rows.div_(size) if size > 0 else rows


def _pairs(
    key: Key, near: Int64[NDArray[np.int64], "n m"], rng: Rng, epoch: int
) -> Int64[Tensor, "n 2"]:
    """Each row and one of its neighbours, in the order of an epoch."""
    rows = rng.shuffled(f"temi rows, epoch {epoch}", key)
    drawn = rng.draws(f"temi neighbours, epoch {epoch}", key) % np.uint64(near.shape[1])
    return torch.from_numpy(np.stack([rows, near[rows, drawn[rows].astype(np.int64)]], axis=1))
