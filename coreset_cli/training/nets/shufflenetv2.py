"""ShuffleNetV2 of width 1×, for small pictures: a 3×3 stem that keeps the size, and no pool.

Source: Ma, Zhang, Zheng & Sun, "ShuffleNet V2: practical guidelines for efficient CNN architecture
design", ECCV 2018.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.training.nets._layers import Init, averaged, conv_bn, initialised

__all__ = ["ShuffleNetV2"]

STEM = 24
STAGES = ((116, 3), (232, 7), (464, 3))
"""Of each stage: channels, and blocks after the one that halves the map."""
LAST = 1024


@dataclass(frozen=True, kw_only=True)
class ShuffleNetV2:
    """Three stages of blocks that work on half of the channels and then shuffle them.

    Args:
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    init: Init = "default"

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        layers: list[nn.Module] = [*conv_bn(channels, STEM, 3), nn.ReLU()]
        inputs = STEM
        for outputs, repeats in STAGES:
            layers.append(_Down(inputs, outputs))
            layers += [_Basic(outputs) for _ in range(repeats)]
            inputs = outputs
        layers += [*conv_bn(inputs, LAST, 1), nn.ReLU()]
        return initialised(averaged(*layers), self.init), LAST


class _Down(nn.Module):
    """Two branches of stride 2, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.left = nn.Sequential(
            *conv_bn(inputs, inputs, 3, stride=2, groups=inputs),
            *conv_bn(inputs, half, 1),
            nn.ReLU(),
        )
        self.right = _branch(inputs, half, stride=2)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        return _shuffled(self.left(maps), self.right(maps))


class _Basic(nn.Module):
    """A branch on half of the channels, beside the other half."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels // 2, channels // 2, stride=1)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        kept, worked = maps.chunk(2, dim=1)
        return _shuffled(kept, self.branch(worked))


def _branch(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    """1×1, depth-wise 3×3 without ReLU, and 1×1."""
    return nn.Sequential(
        *conv_bn(inputs, outputs, 1),
        nn.ReLU(),
        *conv_bn(outputs, outputs, 3, stride=stride, groups=outputs),
        *conv_bn(outputs, outputs, 1),
        nn.ReLU(),
    )


def _shuffled(
    left: Float[Tensor, "n c h w"], right: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n 2*c h w"]:
    """Both, their channels in turn."""
    return torch.stack([left, right], dim=2).flatten(1, 2)
