"""Layers that several architectures are made of."""

from typing import Literal

from torch import nn

from coreset_cli.errors import InvalidParameter

__all__ = ["Init", "averaged", "conv_bn", "demand_positive", "initialised"]

Init = Literal["default", "kaiming"]
"""Of convolutions: `default` is torch's, `kaiming` normal, of deviation √(2 / fan-out)."""


def conv_bn(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution without bias that keeps the size where the stride is 1, and its norm."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(outputs)


def averaged(*layers: nn.Module) -> nn.Sequential:
    """Layers in a row, then the mean over all places."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def initialised(body: nn.Sequential, init: Init) -> nn.Sequential:
    """The same layers, their convolutions drawn again where the rule is not torch's own."""
    if init == "kaiming":
        for layer in body.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return body


def demand_positive(name: str, width: int) -> None:
    """Refuse an empty layer.

    Raises:
        InvalidParameter: the width is below 1.
    """
    if width < 1:
        raise InvalidParameter(f"{name}: width is {width}; it must be at least 1")
