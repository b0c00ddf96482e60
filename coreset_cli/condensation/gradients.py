"""Matching of gradients, class by class: what `dc`, `dsa` and the methods built on them share.

Source: Zhao, Mopuri & Bilen, "Dataset condensation with gradient matching", ICLR 2021, algorithm 1
and the authors' code.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from coreset_cli.condensation.condenser import Step
from coreset_cli.condensation.curvature import Answers
from coreset_cli.condensation.distance import Metric, gradient_distance
from coreset_cli.training.siamese import warped

__all__ = ["both_answers", "gradient_loss", "rounds"]

ROUNDS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
"""Steps of an outer iteration, and epochs between two, by images a class, as published."""

PASSES = 500
"""Steps times epochs, about, for other numbers of images a class; in the table too."""


def rounds(ipc: int) -> tuple[int, int]:
    """Steps of an outer iteration, and epochs of the network between two of them.

    Args:
        ipc: synthetic images a class.
    """
    return ROUNDS.get(ipc, (ipc, max(1, round(PASSES / ipc))))


def both_answers(step: Step, code: int, *, batch: int) -> tuple[Answers, Answers]:
    """What the network says of real and of synthetic pictures of a class under one augmentation.

    Args:
        step: where the loop is.
        code: the class.
        batch: real pictures, or all of the class where there are fewer.
    """
    warp = step.warp(code)
    real = step.answers(warped(step.real(code, batch), warp), code)
    return real, step.answers(warped(step.synthetic(code), warp), code)


def gradient_loss(
    network: nn.Module,
    real: Answers,
    synthetic: Answers,
    *,
    weights: Float[Tensor, " m"] | None = None,
    parameters: Sequence[nn.Parameter] | None = None,
    metric: Metric = "layers",
) -> Float[Tensor, ""]:
    """Distance of the gradient of synthetic pictures from that of real ones, which is a constant.

    Args:
        network: that gave the answers.
        real: answers to real pictures.
        synthetic: answers to synthetic pictures; the loss is differentiable in them.
        weights: of the real rows in their loss, of sum 1; all alike where not given.
        parameters: whose gradients are compared; all where not given.
        metric: of the distance.
    """
    chosen = list(network.parameters()) if parameters is None else list(parameters)
    if weights is None:
        goal = functional.cross_entropy(real.logits, real.targets)
    else:
        losses = functional.cross_entropy(real.logits, real.targets, reduction="none")
        goal = (weights.to(losses) * losses).sum()
    # Kept, as the answers may have more to give than this gradient.
    wanted = torch.autograd.grad(goal, chosen, retain_graph=True)
    own = functional.cross_entropy(synthetic.logits, synthetic.targets)
    found = torch.autograd.grad(own, chosen, create_graph=True)
    return gradient_distance(found, wanted, metric)
