"""Real rows of all classes, on which a network is trained between two steps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from coreset_cli.condensation.condenser import Step
from coreset_cli.condensation.curvature import Answers
from coreset_cli.training.batches import batches_of
from coreset_cli.training.cutmix import draw_patch, patched, patched_loss
from coreset_cli.training.siamese import Strategy, Warp, draw_warp, warped

__all__ = ["Gathered", "gathered", "on_cut_rows"]

BATCH = 256
"""Rows that a network sees together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """Real rows of all classes, each changed once.

    Args:
        step: for which they were gathered.
        rows: [p] of the data set, on the processor.
        warp: what is done to each.
    """

    step: Step
    rows: Int64[Tensor, " p"]
    warp: Warp

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def answers(self, some: Int64[Tensor, " m"]) -> Answers:
        """What the network says of some of them."""
        pool, network = self.step.task.pool, self.step.network
        warp = tuple(replace(part, parameters=part.parameters[some]) for part in self.warp)
        rows = self.rows[some]
        features = network.features(warped(pool.pictures(rows), warp))
        targets = pool.images.targets[rows.to(pool.images.device)]
        return Answers(logits=network.head(features), features=features, targets=targets)

    def features(self) -> Float[Tensor, "p e"]:
        """What the last layer reads of each, as the network is now."""
        with torch.no_grad():
            parts = torch.arange(len(self)).split(BATCH)
            return torch.cat([self.answers(some).features for some in parts])

    def batches(self, epochs: int) -> Iterator[Int64[Tensor, " m"]]:
        """Numbers of the rows of each batch, in a new order each epoch."""
        generator = self.step.generator("order")
        for _ in range(epochs):
            yield from batches_of(torch.randperm(len(self), generator=generator), BATCH)


def gathered(step: Step, count: int) -> Gathered:
    """Some rows of each class, of which the first are those that pixels were matched with.

    Args:
        step: where the loop is.
        count: rows of each class, or all where there are fewer.
    """
    pool = step.task.pool
    rows = torch.cat(
        [pool.drawn(code, count, step.generator("real", code)) for code in range(step.task.classes)]
    )
    return Gathered(step=step, rows=rows, warp=_each_for_itself(step, step.schedule.strategy, rows))


def on_cut_rows(
    step: Step, strategy: Strategy, *, count: int, batch: int, share: float
) -> Iterator[Float32[Tensor, ""]]:
    """Cross-entropy of batches of real rows, a share of the batches cut and mixed.

    Args:
        step: where the loop is.
        strategy: of the augmentation, drawn for each row.
        count: rows in all, drawn from all classes together; where there are fewer, again.
        batch: rows of a batch.
        share: of the batches.
    """
    pool, size = step.task.pool, step.task.pool.shape[1:]
    generator = step.generator("inner")
    everything = torch.cat(pool.members)
    passes = -(-count // len(everything))
    orders = [torch.randperm(len(everything), generator=generator) for _ in range(passes)]
    for rows in batches_of(everything[torch.cat(orders)[:count]], batch):
        warp = draw_warp(strategy, rows=len(rows), size=size, generator=generator, shared=False)
        pictures = warped(pool.pictures(rows), warp)
        targets = pool.images.targets[rows.to(pictures.device)]
        if float(torch.rand((), generator=generator)) >= share:
            yield functional.cross_entropy(step.network(pictures), targets)
            continue
        patch = draw_patch(rows=len(rows), size=size, generator=generator)
        logits = step.network(patched(pictures, patch))
        yield patched_loss(logits, targets, patch, size=size)


def _each_for_itself(step: Step, strategy: Strategy, rows: Int64[Tensor, " p"]) -> Warp:
    return draw_warp(
        strategy,
        rows=len(rows),
        size=step.task.pool.shape[1:],
        generator=step.generator("pool"),
        shared=False,
    )
