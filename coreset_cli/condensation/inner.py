"""Losses that a network is trained by between two steps."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coreset_cli.condensation.condenser import Step
from coreset_cli.training.siamese import draw_warp, warped

__all__ = ["on_synthetic"]

BATCH = 256
"""Synthetic pictures a step of the network."""


def on_synthetic(step: Step, *, epochs: int) -> Iterator[Float[Tensor, ""]]:
    """Cross-entropy of batches of all synthetic pictures, each augmented for itself.

    Args:
        step: where the loop is.
        epochs: passes over them.
    """
    pictures, targets = step.synthetic().detach(), step.targets
    generator = step.generator("inner")
    for _ in range(epochs):
        order = torch.randperm(len(pictures), generator=generator).to(pictures.device)
        for rows in order.split(BATCH):
            warp = draw_warp(
                step.schedule.strategy,
                rows=len(rows),
                size=step.task.pool.shape[1:],
                generator=generator,
                shared=False,
            )
            logits = step.network(warped(pictures[rows], warp))
            yield functional.cross_entropy(logits, targets[rows])
