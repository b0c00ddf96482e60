"""A small network that maps rows into a plane so that distances are kept, in some sense."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng

__all__ = ["EPOCHS", "HELD_ROWS", "Matched", "distance_map"]

Matched = Literal["means", "pairs"]
"""What is kept: each row's mean distance to the others, or every distance."""

EPOCHS = 40
"""Of training, as in the paper; the rest it does not say."""

BATCH = 512
HIDDEN = (256, 64)
RATE = 1e-3

HELD_ROWS = 3 * 2 * 4 * HIDDEN[0] + 8 * BATCH
"""Rounded rows that take as much memory as the network, its training and a batch."""

SMALLEST = 1e-12
"""Added to the largest distance, which is divided by, and to squares that a root is taken of."""

CONSTANT = 1e-9
"""Deviation of a coordinate, relative to its mean, that is only rounding."""


def distance_map(
    points: Points, matched: Matched, rng: Rng, progress: Callable[[int, int], None]
) -> Float64[np.ndarray, "n 2"]:
    """Train the network on standardised rows, and map every row.

    Distances are divided by the largest of their batch, in both spaces.

    Source: the loss on `means` is that of ECHO's encoder.

    Args:
        points: the cloud; it is seen in the order of its ids.
        matched: what is kept.
        rng: draws the first weights and the batches.
        progress: called with epochs done and in all.
    """
    by_rank = np.argsort(points.key.rank)
    rows = points.subset(by_rank)
    centre = mean(rows)
    variance = rows.total(lambda start, block: (block - centre).square().sum(0)) / rows.n
    spread = variance.sqrt()
    spread[spread <= CONSTANT * centre.abs()] = 1.0

    def standard(block: Float64[Tensor, "b d"]) -> Float32[Tensor, "b d"]:
        return ((block - centre) / spread).float()

    word = int(rng.draws("distance map", rows.key.take(np.arange(1)))[0])
    layers = _layers((rows.d, *HIDDEN, 2), word, points.device)
    optimiser = torch.optim.Adam(layers, lr=RATE)
    for epoch in range(EPOCHS):
        order = torch.from_numpy(rng.shuffled(f"distance map {epoch}", rows.key))
        for batch in order.split(BATCH):
            if len(batch) > 1:
                values = standard(rows.rows(batch))
                loss = _loss(values, _mapped(layers, values), matched)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        progress(epoch + 1, EPOCHS)
    plane = np.empty((rows.n, 2))
    with torch.no_grad():
        for start, block in rows.blocks():
            found = _mapped(layers, standard(block)).double()
            plane[by_rank[start : start + len(block)]] = found.cpu().numpy()
    return plane


def _layers(widths: tuple[int, ...], word: int, device: torch.device) -> list[Tensor]:
    """Weights and biases of each layer, uniform within 1/√(values that go in)."""
    generator = torch.Generator().manual_seed(word >> 1)
    layers = []
    for before, after in pairwise(widths):
        for shape in ((after, before), (after,)):
            start = (2 * torch.rand(shape, generator=generator) - 1) / before**0.5
            layers.append(start.to(device).requires_grad_())
    return layers


def _mapped(layers: list[Tensor], values: Float32[Tensor, "b d"]) -> Float32[Tensor, "b 2"]:
    for place in range(0, len(layers), 2):
        values = torch.nn.functional.linear(values, layers[place], layers[place + 1])
        if place + 2 < len(layers):
            values = values.relu()
    return values


def _loss(
    before: Float32[Tensor, "b d"], after: Float32[Tensor, "b 2"], matched: Matched
) -> Float32[Tensor, ""]:
    smooth = (after[:, None] - after).square().sum(2) + SMALLEST  # a root has a slope above 0 only
    change = _relative(torch.cdist(before, before)) - _relative(smooth.sqrt())
    return (change.mean(1) if matched == "means" else change).square().mean()


def _relative(distances: Float32[Tensor, "b b"]) -> Float32[Tensor, "b b"]:
    return distances / (distances.max() + SMALLEST)
