"""SENet-18: pre-activation residual blocks with squeeze and excitation.

Source: Hu, Shen & Sun, "Squeeze-and-excitation networks", CVPR 2018; blocks as in He, Zhang, Ren &
Sun, "Identity mappings in deep residual networks", ECCV 2016.
Deviates: no norm on the shortcuts and none after the last block, as in the code behind the
published figures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.training.nets._excitation import Excitation
from coreset_cli.training.nets._layers import (
    Init,
    averaged,
    conv_bn,
    demand_positive,
    initialised,
)
from coreset_cli.training.nets._residual import stages

__all__ = ["SENet18"]

RATIO = 16
"""Channels of a block over those its excitation squeezes them to."""


@dataclass(frozen=True, kw_only=True)
class SENet18:
    """Four stages of two blocks, each stage twice as wide as the one before.

    Args:
        width: channels of the stem and the first stage.
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    width: int = 64
    init: Init = "default"

    def __post_init__(self) -> None:
        demand_positive("senet18", self.width)

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        blocks, dimension = stages(_block, self.width, (2, 2, 2, 2))
        body = averaged(*conv_bn(channels, self.width, 3), nn.ReLU(), *blocks)
        return initialised(body, self.init), dimension


def _block(inputs: int, width: int, stride: int) -> tuple[nn.Module, int]:
    return _PreActivation(inputs, width, stride), width


class _PreActivation(nn.Module):
    """Norm and ReLU first; a shortcut that is convolved starts after them."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.branch = nn.Sequential(
            *conv_bn(inputs, width, 3, stride=stride),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            Excitation(width, max(1, width // RATIO), nn.ReLU()),
        )
        same = stride == 1 and inputs == width
        self.shortcut = None if same else nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        activated = self.before(maps)
        kept = maps if self.shortcut is None else self.shortcut(activated)
        total: torch.Tensor = self.branch(activated) + kept
        return total
