"""ResNet-18 for small pictures: a 3×3 stem that keeps the size.

Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016.
"""

from dataclasses import dataclass

from torch import nn

from coreset_cli.training.nets._layers import (
    Init,
    averaged,
    conv_bn,
    demand_positive,
    initialised,
)
from coreset_cli.training.nets._residual import basic, stages

__all__ = ["ResNet18"]


@dataclass(frozen=True, kw_only=True)
class ResNet18:
    """Four stages of two basic blocks, each stage twice as wide as the one before.

    Args:
        width: channels of the stem and the first stage; 16 suits a processor.
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    width: int = 64
    init: Init = "default"

    def __post_init__(self) -> None:
        demand_positive("resnet18", self.width)

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        blocks, dimension = stages(basic, self.width, (2, 2, 2, 2))
        body = averaged(*conv_bn(channels, self.width, 3), nn.ReLU(), *blocks)
        return initialised(body, self.init), dimension
