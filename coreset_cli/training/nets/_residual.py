"""What residual networks are made of: a shortcut that fits, and stages of blocks."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.training.nets._layers import conv_bn

__all__ = ["Residual", "basic", "bottleneck", "stages"]


class Residual(nn.Module):
    """ReLU of a branch plus its input, the input convolved where the shapes differ.

    Args:
        branch: layers of the branch.
        inputs: channels that come in.
        outputs: channels that the branch gives.
        stride: of the branch.
    """

    def __init__(self, branch: nn.Module, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = branch
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential(*([] if same else conv_bn(inputs, outputs, 1, stride=stride)))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        """The sum, its negative part cut off."""
        return torch.relu(self.branch(maps) + self.shortcut(maps))


def basic(inputs: int, width: int, stride: int) -> tuple[nn.Module, int]:
    """Two 3×3 convolutions; the block, and the channels it gives."""
    branch = nn.Sequential(
        *conv_bn(inputs, width, 3, stride=stride), nn.ReLU(), *conv_bn(width, width, 3)
    )
    return Residual(branch, inputs, width, stride), width


def bottleneck(inputs: int, width: int, stride: int) -> tuple[nn.Module, int]:
    """1×1, 3×3 with the stride, and 1×1 to four times the width; block and channels."""
    branch = nn.Sequential(
        *conv_bn(inputs, width, 1),
        nn.ReLU(),
        *conv_bn(width, width, 3, stride=stride),
        nn.ReLU(),
        *conv_bn(width, 4 * width, 1),
    )
    return Residual(branch, inputs, 4 * width, stride), 4 * width


def stages(
    block: Callable[[int, int, int], tuple[nn.Module, int]], width: int, repeats: Sequence[int]
) -> tuple[list[nn.Module], int]:
    """Blocks of all stages in a row, and the channels the last gives.

    Each stage but the first begins with a stride of 2 and twice the width of the one before.

    Args:
        block: makes one from channels in, width and stride.
        width: of the first stage, and the channels that come in.
        repeats: blocks of each stage.
    """
    blocks: list[nn.Module] = []
    channels = width
    for stage, count in enumerate(repeats):
        for place in range(count):
            stride = 2 if stage and not place else 1
            made, channels = block(channels, width << stage, stride)
            blocks.append(made)
    return blocks, channels
