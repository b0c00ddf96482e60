"""How much memory one step of training takes."""

import torch
from torch import Tensor, nn

__all__ = ["footprint"]

COPIES = 3
"""Of every weight beside itself: gradient, momentum, and the update on its way."""

LAYOUTS = 2
"""Of every activation: as it was computed, and as the backward pass wants it."""


def footprint(network: nn.Module, batch: int, channels: int, size: int) -> int:
    """Bytes of weights, optimiser and activations of one step, were nothing freed early.

    Args:
        network: on the device `meta`, where shapes are computed and nothing else.
        batch: images a step.
        channels: of an image.
        size: height and width in pixels.
    """
    activations = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal activations
        if isinstance(output, Tensor):
            activations += output.nbytes

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    try:
        network(torch.empty(batch, channels, size, size, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    weights = sum(parameter.nbytes for parameter in network.parameters())
    return (1 + COPIES) * weights + (1 + LAYOUTS) * activations
