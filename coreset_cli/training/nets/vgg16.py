"""VGG-16 with batch norm and a single last layer, as is usual for small pictures.

Source: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition",
ICLR 2015, configuration D.
"""

from dataclasses import dataclass

from torch import nn

from coreset_cli.training.nets._layers import Init, averaged, demand_positive, initialised

__all__ = ["VGG16"]

CONFIGURATION = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Of each stage: channels, in widths, and convolutions before the pool."""


@dataclass(frozen=True, kw_only=True)
class VGG16:
    """Five stages of 3×3 convolutions, batch norm and ReLU, each ended by a pool of 2.

    Pools round up, so that pictures of any size keep a place to the end.

    Args:
        width: channels of the first stage.
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    width: int = 64
    init: Init = "default"

    def __post_init__(self) -> None:
        demand_positive("vgg16", self.width)

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        layers: list[nn.Module] = []
        for factor, convolutions in CONFIGURATION:
            outputs = factor * self.width
            for _ in range(convolutions):
                layers.append(nn.Conv2d(channels, outputs, 3, padding=1))
                layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
                channels = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        return initialised(averaged(*layers), self.init), channels
