"""How the numbers of a network are laid out and how precise they are, by what the device does well.

Measured on two cores with bfloat16 instructions, pictures of 32 pixels, batch 128, images a second
forward and back; `planes` keeps each channel together, `pixels` each pixel:

    network                    planes float32   planes bfloat16   pixels float32   pixels bfloat16
    ConvNet, 64, group norm               759              1283              685               517
    ResNet-18, 16, batch norm             555              1051              691              1236

So on the processor a network with batch normalisation is laid out by pixels and any other by
planes. On CUDA, pixels and bfloat16 always; that is unverified.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from coreset_cli.device import computes_in_bfloat16
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import NetworkRecipe

__all__ = ["Arithmetic", "arithmetic_of"]


@dataclass(frozen=True)
class Arithmetic:
    """How a network is run.

    Args:
        features: the network without its last layer.
        head: the last layer, always float32: the logits of bfloat16 have three digits.
        layout: memory format of pictures and kernels.
        lowered: the features are computed in bfloat16.
    """

    features: Callable[[Tensor], Tensor]
    head: nn.Linear
    layout: torch.memory_format
    lowered: bool

    def logits(self, batch: Float32[Tensor, "m c h w"]) -> Float32[Tensor, "m k"]:
        """Forward, in the mode the network is in."""
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=self.lowered):
            features = self.features(batch.contiguous(memory_format=self.layout))
        return self.head(features.float())


@contextmanager
def arithmetic_of(
    network: Network, recipe: NetworkRecipe, device: torch.device, seed: int
) -> Iterator[Arithmetic]:
    """Lay a network out for training, with random numbers of its own; undone at the end.

    Args:
        network: on the device.
        recipe: precision, and whether to compile.
        device: where the pictures are.
        seed: of what the network itself draws (dropout).
    """
    on_processor = device.type == "cpu"
    by_pixels = not on_processor or any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    layout = torch.channels_last if by_pixels else torch.contiguous_format
    lowered = recipe.precision == "bfloat16" or (
        recipe.precision == "auto" and computes_in_bfloat16(device)
    )
    features: Callable[[Tensor], Tensor] = network.features
    if recipe.compile and not on_processor:
        features = torch.compile(features)
    repeatable = torch.backends.cudnn.deterministic
    network.to(memory_format=layout)
    with torch.random.fork_rng(devices=[] if on_processor else [device]):
        torch.manual_seed(seed)
        torch.backends.cudnn.deterministic = True
        try:
            yield Arithmetic(features, network.head, layout, lowered)
        finally:
            torch.backends.cudnn.deterministic = repeatable
            network.to(memory_format=torch.contiguous_format)
            network.eval()
