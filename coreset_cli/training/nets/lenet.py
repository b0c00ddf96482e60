"""LeNet-5, with ReLU and the largest of each four places.

Source: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition",
Proc. IEEE 1998.
"""

from dataclasses import dataclass

from torch import nn

__all__ = ["LeNet"]

KERNEL = 5

SMALL = 12
"""Side of a map below which a convolution is padded, so that pooling has something to halve."""


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """Two 5×5 convolutions of 6 and 16 channels, each pooled by 2, and layers of 120 and 84.

    Grey pictures are padded by 2, as those of 28 pixels are in the source; so are maps below 12
    pixels, which a convolution would eat up.
    """

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """All layers but the last, and the width of what they give."""
        layers: list[nn.Module] = []
        side, inputs = size, channels
        for outputs in (6, 16):
            padding = KERNEL // 2 if side < SMALL or inputs == 1 else 0
            convolution = nn.Conv2d(inputs, outputs, KERNEL, padding=padding)
            layers += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
            side, inputs = (side + 2 * padding - KERNEL + 1) // 2, outputs
        layers += [
            # The identity at the size built for; other pictures are brought to the same map.
            nn.AdaptiveAvgPool2d(side),
            nn.Flatten(),
            nn.Linear(inputs * side**2, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
        ]
        return nn.Sequential(*layers), 84
