"""Squeeze and excitation: channels scaled by what the whole map shows.

Source: Hu, Shen & Sun, "Squeeze-and-excitation networks", CVPR 2018.
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Excitation"]


class Excitation(nn.Module):
    """Times a weight in (0, 1) a channel, from two layers on the mean over all places.

    Args:
        channels: of the maps.
        squeezed: width between the two layers.
        activation: there.
    """

    def __init__(self, channels: int, squeezed: int, activation: nn.Module) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            activation,
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The maps, scaled."""
        return maps * self.gate(maps)
