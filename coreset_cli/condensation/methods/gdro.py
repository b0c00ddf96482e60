"""Group-DRO distillation: real rows that are served worst count for more.

Source: Vahidian et al., "Group distributionally robust dataset distillation with risk
minimization", 2024, and the authors' code, whose risk has no gradient and takes the wrong tail.
Cost: that of `dsa` (`dro_target=match`); else two passes of 512 real rows a class and step too.
Robustness: none to wrong rows, which have the largest losses: `trim` leaves their share out, and
pulls the other way.
Deviates: the tail is taken across cells, and mixed with the plain mean so that gradients keep their
scale; `match` weights the real rows whose gradients are matched, in the rounds of `dsa`, its cells
being about synthetic images of the same class. The pool of `net` is augmented once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from coreset_cli.condensation.cells import class_clusters, nearest_cells
from coreset_cli.condensation.condenser import Schedule, Step, Task
from coreset_cli.condensation.curvature import Answers
from coreset_cli.condensation.gradients import both_answers, gradient_loss
from coreset_cli.condensation.matching import matching_schedule, train_on_synthetic
from coreset_cli.condensation.pooled import gathered
from coreset_cli.condensation.settings import demand_momentum, demand_positive
from coreset_cli.condensation.tails import tail_weights
from coreset_cli.kernels.risk import Risk

__all__ = ["GDRO"]

RATE = 0.1
"""Of the pixels, in the rounds of `dsa`."""

NET_ITERATIONS, NET_STEPS, NET_EPOCHS, NET_RATE = 2_000, 2, 2, 1.0
"""Of the loop that trains networks on real rows, as published."""

ALONE = (
    "each class is a single cell, so all its rows count alike, as in dsa; take risk=rows, or "
    "cells=kmeans with groups of 2 or more"
)
"""Said where it changes nothing."""


@dataclass(frozen=True, kw_only=True)
class GDRO:
    """Match gradients, the real rows of the cells of largest loss counting for more.

    Args:
        dro_target: which loss has the weights: that of the real rows whose gradients are matched
            (`match`), that of real rows on which the network is trained (`net`), or `both`.
        risk: the tail is taken across cells, within each of them, or over single rows.
        cells: rows nearest to one synthetic image of their class (`voronoi`), or clusters of
            pictures, which stay the same (`kmeans`).
        groups: clusters a class; `none` is as many as there are synthetic images.
        level: share of the rows that is the tail, in (0, 1]; 1 is all of them.
        mix: how far the tail counts, from 0, the plain mean, to 1.
        trim: share of the rows of largest loss that count nothing: those taken for wrong.
        rate: at which pixels move; `none` is 0.1, and 1 where the network has weights.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration; `none` takes the published number.
        epochs: of the network between two steps; `none` takes the published number.
        network_rate: at which the network is trained.
        augmentation: as of `dsa`.
    """

    dro_target: Literal["match", "net", "both"] = "match"
    risk: Literal["cells", "within", "rows"] = "cells"
    cells: Literal["voronoi", "kmeans"] = "voronoi"
    groups: int | None = None
    level: float = 0.8
    mix: float = 0.5
    trim: float = 0.0
    rate: float | None = None
    momentum: float = 0.5
    batch: int = 256
    steps: int | None = None
    epochs: int | None = None
    network_rate: float = 0.01
    augmentation: str = "auto"

    def __post_init__(self) -> None:
        demand_positive("gdro", groups=self.groups, rate=self.rate, batch=self.batch)
        demand_positive("gdro", steps=self.steps, epochs=self.epochs)
        demand_positive("gdro", network_rate=self.network_rate)
        demand_momentum("gdro", self.momentum)
        _ = self._risk  # its ranges are checked

    def schedule(self, task: Task) -> Schedule:
        """That of `dsa`, or few steps an iteration."""
        found = matching_schedule(
            task,
            rate=RATE if self.rate is None else self.rate,
            momentum=self.momentum,
            batch=self.batch,
            steps=self.steps,
            network_rate=self.network_rate,
            augmentation=self.augmentation,
        )
        if self.dro_target == "match":
            return replace(found, notes=(ALONE,) if self._alone(task) else ())
        return replace(
            found,
            batch=2 * self.batch,
            iterations=NET_ITERATIONS,
            steps=self.steps or NET_STEPS,
            rate=NET_RATE if self.rate is None else self.rate,
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Distance of the gradients, of the real rows as they count."""
        for code in step.classes:
            real, synthetic = both_answers(step, code, batch=self.batch)
            weights = None
            if self.dro_target != "net" and not (self._risk.plain or self._alone(step.task)):
                weights = tail_weights(step, self._risk, real, self._near(step, real, synthetic))
            yield gradient_loss(step.network, real, synthetic, weights=weights)

    def train(self, step: Step) -> None:
        """On the synthetic pictures, or on real rows as they count."""
        if self.dro_target == "match":
            train_on_synthetic(step, self.epochs)
        else:
            step.descend(self._on_pool(step))

    def _on_pool(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Losses of batches of real rows of all classes: those matched, and as many others."""
        pool = gathered(step, 2 * self.batch)
        cells = torch.zeros(len(pool), dtype=torch.int64)
        if not self._risk.plain and self.cells == "kmeans":
            cells = self._clusters(step)[pool.rows]
        elif not self._risk.plain:
            with torch.no_grad():
                centres = step.network.features(step.synthetic())
            cells = nearest_cells(pool.features(), centres).cpu()
        for some in pool.batches(self.epochs or NET_EPOCHS):
            answers = pool.answers(some)
            if self._risk.plain:
                yield functional.cross_entropy(answers.logits, answers.targets)
                continue
            losses = functional.cross_entropy(answers.logits, answers.targets, reduction="none")
            yield (tail_weights(step, self._risk, answers, cells[some]).to(losses) * losses).sum()

    def _near(self, step: Step, real: Answers, synthetic: Answers) -> Int64[Tensor, " m"]:
        """Cells of the real rows of a class."""
        if self.cells == "voronoi":
            return nearest_cells(real.features.detach(), synthetic.features.detach())
        code = int(real.targets[0])
        drawn = step.task.pool.drawn(code, self.batch, step.generator("real", code))
        return self._clusters(step)[drawn]

    def _clusters(self, step: Step) -> Int64[Tensor, " n"]:
        task = step.task
        return class_clusters(task.pool, self.groups or task.ipc, seed=task.seed)

    def _alone(self, task: Task) -> bool:
        """Whether a class is a single cell, so that none of its cells is worse than another."""
        count = task.ipc if self.cells == "voronoi" else self.groups or task.ipc
        return self.risk == "cells" and count == 1 and self.trim == 0

    @property
    def _risk(self) -> Risk:
        return Risk(kind=self.risk, level=self.level, mix=self.mix, trim=self.trim)
