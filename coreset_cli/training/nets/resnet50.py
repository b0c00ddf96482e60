"""ResNet-50, with the stem of small or of large pictures.

Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016; the stride
is on the 3×3 convolution, as is usual since.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from coreset_cli.training.nets._layers import (
    Init,
    averaged,
    conv_bn,
    demand_positive,
    initialised,
)
from coreset_cli.training.nets._residual import bottleneck, stages

__all__ = ["ResNet50"]


@dataclass(frozen=True, kw_only=True)
class ResNet50:
    """Stages of 3, 4, 6 and 3 bottlenecks, each stage twice as wide as the one before.

    Args:
        width: channels of the stem, a quarter of what the first stage gives.
        stem: `cifar` is a 3×3 convolution that keeps the size; `imagenet` a 7×7 one and a pool,
            which divide it by 4. The published Tiny-ImageNet figures have the latter.
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    width: int = 64
    stem: Literal["cifar", "imagenet"] = "cifar"
    init: Init = "default"

    def __post_init__(self) -> None:
        demand_positive("resnet50", self.width)

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        blocks, dimension = stages(bottleneck, self.width, (3, 4, 6, 3))
        stem = [*conv_bn(channels, self.width, 3), nn.ReLU()]
        if self.stem == "imagenet":
            pool = nn.MaxPool2d(3, stride=2, padding=1)
            stem = [*conv_bn(channels, self.width, 7, stride=2), nn.ReLU(), pool]
        return initialised(averaged(*stem, *blocks), self.init), dimension
