"""An encoder at work: one sample becomes a tensor on any thread, a batch becomes vectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Encoder", "live_bytes", "settled", "upright", "weight_bytes"]

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoder:
    """Makes vectors of samples.

    Args:
        text: as a user would write it.
        width: values a vector.
        batch: samples computed at once, where the user does not say.
        digest: SHA-256 of the weights as stored; empty where there are none.
        prepare: an image of mode `L` or `RGB`, or a text, to a tensor; runs on many threads, and
            raises `BrokenImage` for a sample that it cannot take.
        forward: a batch of such tensors, on the device, to vectors.
        device: where it computes.
        sample_bytes: of a sample made ready.
        weight_bytes: of the weights in memory.
        live_bytes: of what the largest layer reads and writes, for one sample.
    """

    text: str
    width: int
    batch: int
    digest: str
    prepare: Callable[[Any], Tensor]
    forward: Callable[[Tensor], Float[Tensor, "m e"]]
    device: torch.device
    sample_bytes: int
    weight_bytes: int = 0
    live_bytes: int = 0

    def encode(self, samples: Sequence[Tensor]) -> NDArray[np.float32]:
        """[m e] vectors, computed in float32 on a processor and in mixed precision on CUDA.

        Half precision overflows in some networks; such a batch is computed again in float32.
        """
        batch = torch.stack(list(samples)).to(self.device)
        with torch.inference_mode():
            if self.device.type == "cuda":
                with torch.autocast("cuda", torch.float16):
                    vectors = self.forward(batch).float()
                if bool(torch.isfinite(vectors).all()):
                    return vectors.cpu().numpy()
            return self.forward(batch).float().cpu().numpy()


def settled(network: N, device: torch.device) -> N:
    """The network ready to be used: nothing in it changes any more."""
    return network.eval().requires_grad_(False).to(device)


def weight_bytes(network: nn.Module) -> int:
    """Bytes of all weights and buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.nbytes for tensor in tensors)


def live_bytes(network: nn.Module, forward: Callable[[Tensor], Tensor], probe: Tensor) -> int:
    """Bytes of what the largest layer reads and writes.

    Args:
        network: whose layers are looked at.
        forward: that runs it.
        probe: a batch of one sample.
    """
    largest = 0

    def look(module: nn.Module, inputs: Sequence[object], output: object) -> None:
        nonlocal largest
        tensors = [value for value in (*inputs, output) if isinstance(value, Tensor)]
        largest = max(largest, sum(tensor.nbytes for tensor in tensors))

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        with torch.inference_mode():
            forward(probe)
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def upright(batch: Tensor) -> Tensor:
    """[m c h w] images with channels last in memory, which convolutions read faster."""
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
