"""ConvNet: equal blocks of convolution, norm and pooling, then one layer.

Source: Gidaris & Komodakis, "Dynamic few-shot visual learning without forgetting", CVPR 2018; as
the network of data-set condensation, Zhao, Mopuri & Bilen, "Dataset condensation with gradient
matching", ICLR 2021.
"""

from dataclasses import dataclass
from math import log2
from typing import Literal

from torch import nn

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.nets._layers import demand_positive

__all__ = ["ConvNet"]

LEAST_MAP = 4
"""Side of the last map: a block does not pool below it."""

GROUPS = 4
"""Of `norm=group`, as in the source."""


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """Blocks of 3×3 convolution, norm, ReLU and pooling by 2; features are the last map, flat.

    A block pools only where its map stays 4 pixels wide: 3 times at 28 and 32 pixels, 4 times at
    64, once at 8. Pictures of 28 pixels are padded to 32 by the first convolution.

    Args:
        width: channels of every block.
        depth: blocks; `auto` is 3, and one more for each doubling of 32 pixels.
        norm: of every block; `instance` and `group` keep no running statistics.
        pool: how a block halves its map.
    """

    width: int = 128
    depth: Literal["auto", 1, 2, 3, 4, 5, 6] = "auto"
    norm: Literal["instance", "batch", "group", "none"] = "instance"
    pool: Literal["average", "max"] = "average"

    def __post_init__(self) -> None:
        demand_positive("convnet", self.width)
        if self.norm == "group" and self.width % GROUPS:
            raise InvalidParameter(
                f"convnet: width is {self.width}; norm=group needs a multiple of {GROUPS}"
            )

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        padding = 3 if size == 28 else 1
        side = size + 2 * padding - 2
        depth = max(3, int(log2(side / LEAST_MAP))) if self.depth == "auto" else self.depth
        layers: list[nn.Module] = []
        inputs = channels
        for block in range(depth):
            layers += [nn.Conv2d(inputs, self.width, 3, padding=1 if block else padding)]
            layers += [*self._norm(), nn.ReLU()]
            inputs = self.width
            if side // 2 >= LEAST_MAP:
                layers.append(nn.AvgPool2d(2) if self.pool == "average" else nn.MaxPool2d(2))
                side //= 2
        # The identity at the size built for; other pictures are brought to the same map.
        layers += [nn.AdaptiveAvgPool2d(side), nn.Flatten()]
        return nn.Sequential(*layers), self.width * side**2

    def _norm(self) -> list[nn.Module]:
        groups = {"instance": self.width, "group": GROUPS}
        if self.norm in groups:
            return [nn.GroupNorm(groups[self.norm], self.width)]
        return [nn.BatchNorm2d(self.width)] if self.norm == "batch" else []
