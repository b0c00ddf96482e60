"""Classifiers side by side: the same shape and batches, each trained on rows of its own.

All first layers are one matrix product, so six linear models cost hardly more than one.

Source: Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in
deep learning", ICML 2013 (Nesterov's momentum).
"""

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from coreset_cli.seeds import derived_seed

__all__ = ["Models", "optimiser_of", "run_epoch"]

MOMENTUM = 0.9
"""Nesterov's, of the descent."""


class Models(nn.Module):
    """p classifiers: affine, or with one hidden layer of rectified units.

    Args:
        d: width of the rows.
        c: classes.
        p: how many classifiers.
        hidden: width of the hidden layer; 0 for none.
        seed: of the first weights of hidden layers, the same in every classifier.
    """

    def __init__(self, *, d: int, c: int, p: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.p = p
        self.body: nn.Linear | None = None
        if hidden:
            generator = torch.Generator().manual_seed(derived_seed(seed, "weights of a probe"))
            self.body = nn.utils.skip_init(nn.Linear, d, p * hidden)
            first = torch.randn(hidden, d, generator=generator) * (2 / d) ** 0.5
            self.body.weight = nn.Parameter(first.repeat(p, 1))
            nn.init.zeros_(self.body.bias)
        self.weight = nn.Parameter(torch.zeros(p, c, hidden or d))
        self.bias = nn.Parameter(torch.zeros(p, c))

    def features(self, rows: Float32[Tensor, "b d"]) -> Float32[Tensor, "b p h"]:
        """What the last layers read, without a copy where that is the rows themselves."""
        if self.body is None:
            return rows[:, None].expand(-1, self.p, -1)
        return functional.relu(self.body(rows)).view(len(rows), self.p, -1)

    def forward(self, rows: Float32[Tensor, "b d"]) -> Float32[Tensor, "b p c"]:
        """Logits of every classifier."""
        if self.body is None:
            flat = functional.linear(rows, self.weight.flatten(0, 1), self.bias.flatten())
            return flat.view(len(rows), *self.bias.shape)
        return torch.einsum("bph,pch->bpc", self.features(rows), self.weight) + self.bias


def optimiser_of(models: Models, decay: float) -> torch.optim.SGD:
    """Stochastic gradient descent; weights are penalised, biases are not."""
    named = list(models.named_parameters())
    biases = [values for name, values in named if name.endswith("bias")]
    weights = [values for name, values in named if not name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=1.0, momentum=MOMENTUM, nesterov=True)


def run_epoch(
    models: Models,
    optimiser: torch.optim.SGD,
    rows: Float32[Tensor, "n d"],
    targets: Int64[Tensor, " n"],
    trains: Bool[Tensor, "n p"],
    turns: Int64[Tensor, " n"],
    rates: list[float],
) -> Float32[Tensor, "n c"]:
    """Show every row once; each classifier learns from its own rows of a batch.

    Args:
        models: changed in place.
        optimiser: of their parameters.
        rows: all.
        targets: class of each.
        trains: which classifier learns from which row.
        turns: the order they are shown in.
        rates: learning rate of each step; there are as many batches, of nearly equal size.

    Returns:
        Logits of the first classifier as it was when a row was shown, before the step.
    """
    shown = torch.empty(len(rows), models.bias.shape[1], device=rows.device)
    for rate, batch in zip(rates, turns.tensor_split(len(rates)), strict=True):
        logits = models(rows[batch])
        own = trains[batch]
        target = targets[batch, None].expand(-1, models.p)
        losses = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
        kept = losses.view_as(own) * own
        optimiser.zero_grad()
        (kept.sum(0) / own.sum(0).clamp(min=1)).sum().backward()
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        shown[batch] = logits[:, 0].detach()
    return shown
