"""EfficientNet-B0 for small pictures: a stem that keeps the size, and no last 1×1 convolution.

Source: Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML
2019; drop-connect after Huang et al., "Deep networks with stochastic depth", ECCV 2016.
Deviates: as the code behind the published figures, whose drop-connect was 0 in every block.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.nets._excitation import Excitation
from coreset_cli.training.nets._layers import Init, averaged, conv_bn, initialised

__all__ = ["EfficientNetB0"]

STEM = 32
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
"""Of each stage: expansion, channels, blocks, kernel, and stride of the first block."""

SQUEEZE = 4
"""Channels that come into a block over those its excitation squeezes them to."""


@dataclass(frozen=True, kw_only=True)
class EfficientNetB0:
    """Seven stages of inverted residual blocks with squeeze and excitation.

    Args:
        dropout: share of the features set to 0 in training.
        drop_connect: in training, block b of 16 is left out of a picture's sum with this times
            b/16, counted from 0; the source has 0.2.
        init: first weights of the convolutions: torch's own, or `kaiming` normal by fan-out.
    """

    dropout: float = 0.2
    drop_connect: float = 0.0
    init: Init = "default"

    def __post_init__(self) -> None:
        for field in ("dropout", "drop_connect"):
            if not 0 <= getattr(self, field) < 1:
                raise InvalidParameter(
                    f"efficientnet-b0: {field} is {getattr(self, field)}; it must be at least 0 "
                    "and below 1"
                )

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        blocks: list[nn.Module] = []
        inputs, total = STEM, sum(stage[2] for stage in STAGES)
        for expansion, outputs, repeats, kernel, first_stride in STAGES:
            for place in range(repeats):
                dropped = self.drop_connect * len(blocks) / total
                stride = 1 if place else first_stride
                layers = _layers(inputs, expansion * inputs, outputs, kernel=kernel, stride=stride)
                same = stride == 1 and inputs == outputs
                blocks.append(_Dropped(layers, dropped) if same else layers)
                inputs = outputs
        body = averaged(*conv_bn(channels, STEM, 3), nn.SiLU(), *blocks)
        return nn.Sequential(initialised(body, self.init), nn.Dropout(self.dropout)), inputs


def _layers(inputs: int, wide: int, outputs: int, *, kernel: int, stride: int) -> nn.Sequential:
    """Expansion, where there is one, depth-wise convolution, excitation and projection."""
    expanded = [*conv_bn(inputs, wide, 1), nn.SiLU()] if wide != inputs else []
    return nn.Sequential(
        *expanded,
        *conv_bn(wide, wide, kernel, stride=stride, groups=wide),
        nn.SiLU(),
        Excitation(wide, inputs // SQUEEZE, nn.SiLU()),
        *conv_bn(wide, outputs, 1),
    )


class _Dropped(nn.Module):
    """The input plus a branch, which training leaves out of some pictures, the others scaled."""

    def __init__(self, branch: nn.Module, share: float) -> None:
        super().__init__()
        self.branch = branch
        self.share = share

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        branch: torch.Tensor = self.branch(maps)
        if self.training and self.share:
            kept = torch.rand((len(maps), 1, 1, 1), device=maps.device) >= self.share
            branch = branch * kept / (1 - self.share)
        return maps + branch
