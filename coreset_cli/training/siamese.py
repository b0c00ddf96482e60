"""Differentiable augmentation, the same for real and for synthetic pictures.

Source: Zhao & Bilen, "Dataset condensation with differentiable Siamese augmentation", ICML 2021;
`layers` is the rule of Kim et al., "Dataset condensation via efficient synthetic-data
parameterization", ICML 2022.
Deviates: draws come from a generator of the caller's, never from the global one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, pi
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["FAMILIES", "Step", "Strategy", "Warp", "draw_warp", "parse_strategy", "warped"]

FAMILIES = ("color", "crop", "cutout", "flip", "scale", "rotate")
"""What there is."""

SHIFT = 0.125
"""Largest shift of `crop`, of the size."""

HOLE = 0.5
"""Side of the square of `cutout`, of the size."""

RATIO = 1.2
"""Largest change of `scale`, either way."""

ANGLE = pi / 12
"""Largest turn of `rotate`, either way, in radians."""


@dataclass(frozen=True)
class Strategy:
    """What may be done to pictures.

    Args:
        families: of operations, of `FAMILIES`; none leaves pictures as they are.
        rule: `one`: one family, all equally likely; `layers`: mirror, colour, one of the other
            geometric families, and hole, as far as they are listed.
    """

    families: tuple[str, ...]
    rule: Literal["one", "layers"] = "one"

    @property
    def text(self) -> str:
        """As the strategy is written: `color_crop`, or `none`."""
        return "_".join(self.families) or "none"


@dataclass(frozen=True, eq=False)
class Step:
    """One operation with its parameters.

    Args:
        family: what is done.
        parameters: [r, p] for each row, or one row of them for all; `color`: offset, and factors of
            saturation and contrast; `crop`: pixels down and right from which each pixel comes;
            `cutout`: row and column of the middle; `flip`: above 0 mirrors; `scale`: factor across
            and down, above 1 shrinks; `rotate`: angle in radians.
    """

    family: str
    parameters: Float32[Tensor, "r p"]


Warp = tuple[Step, ...]
"""What is done to pictures, in this order."""


def parse_strategy(text: str, rule: Literal["one", "layers"] = "one") -> Strategy:
    """What a user named: `color_crop_cutout_flip_scale_rotate`, a part of it, or `none`.

    Args:
        text: families apart by `_`.
        rule: how they are combined.

    Raises:
        InvalidParameter: no such family, or one twice.
    """
    if text.lower() == "none":
        return Strategy((), rule)
    families = tuple(text.lower().split("_"))
    for family in families:
        if family not in FAMILIES:
            hint = did_you_mean(family, FAMILIES) or f"; there are {', '.join(FAMILIES)}, or none"
            raise InvalidParameter(f"unknown augmentation '{family}' in '{text}'{hint}")
    if len(set(families)) < len(families):
        raise InvalidParameter(f"augmentation '{text}' names a family twice")
    return Strategy(families, rule)


def draw_warp(
    strategy: Strategy,
    *,
    rows: int,
    size: tuple[int, int],
    generator: torch.Generator,
    shared: bool,
) -> Warp:
    """Draw what is done to pictures.

    Args:
        strategy: what may be drawn.
        rows: number of pictures.
        size: height and width in pixels.
        generator: of all draws, on the processor.
        shared: the same parameters for all rows; it then applies to any number of them.
    """
    drawn = 1 if shared else rows
    return tuple(
        Step(family, _DRAWS[family](torch.rand((drawn, 3), generator=generator), size))
        for family in _chosen(strategy, generator)
    )


def warped(pictures: Float[Tensor, "m c h w"], warp: Warp) -> Float[Tensor, "m c h w"]:
    """Pictures after all steps, differentiable in the pixels; what comes from outside is 0.

    Args:
        pictures: normalised, so that 0 is the mean colour.
        warp: drawn for them, or shared.
    """
    for step in warp:
        parameters = step.parameters.to(pictures.device, pictures.dtype)
        pictures = _APPLIED[step.family](pictures, parameters)
    return pictures


def _chosen(strategy: Strategy, generator: torch.Generator) -> list[str]:
    """The families of one warp, in order."""

    def one_of(families: list[str]) -> list[str]:
        if not families:
            return []
        return [families[int(torch.randint(len(families), (), generator=generator))]]

    if strategy.rule == "one":
        return one_of(list(strategy.families))
    first = [family for family in ("flip", "color") if family in strategy.families]
    last = [family for family in ("cutout",) if family in strategy.families]
    return first + one_of([f for f in strategy.families if f not in first + last]) + last


def _largest(size: tuple[int, int], share: float) -> Float32[Tensor, " 2"]:
    """A share of height and width in whole pixels, halves up."""
    return torch.tensor([floor(share * side + 0.5) for side in size], dtype=torch.float32)


def _shifts(u: Float32[Tensor, "r 3"], size: tuple[int, int]) -> Float32[Tensor, "r 2"]:
    most = _largest(size, SHIFT)
    return torch.floor(u[:, :2] * (2 * most + 1)) - most


def _middles(u: Float32[Tensor, "r 3"], size: tuple[int, int]) -> Float32[Tensor, "r 2"]:
    """A hole of an even side may have its middle one pixel further."""
    even = 1 - _largest(size, HOLE) % 2
    return torch.floor(u[:, :2] * (torch.tensor(size) + even))


_DRAWS: Mapping[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "color": lambda u, size: torch.stack([u[:, 0] - 0.5, 2 * u[:, 1], u[:, 2] + 0.5], 1),
    "crop": _shifts,
    "cutout": _middles,
    "flip": lambda u, size: (u[:, :1] < 0.5).float(),
    "scale": lambda u, size: 1 / RATIO + (RATIO - 1 / RATIO) * u[:, :2],
    "rotate": lambda u, size: ANGLE * (2 * u[:, :1] - 1),
}


def _coloured(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 3"]
) -> Float[Tensor, "m c h w"]:
    """Brightness, then saturation, then contrast."""
    offset, saturation, contrast = parameters[:, :, None, None, None].unbind(1)
    x = x + offset
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * saturation + grey
    level = x.mean((1, 2, 3), keepdim=True)
    return (x - level) * contrast + level


def _shifted(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 2"]
) -> Float[Tensor, "m c h w"]:
    shift = parameters.long()
    for axis in (2, 3):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) + shift[:, axis - 2, None]
        shape = [-1, 1, 1, 1]
        shape[axis] = size
        inside = ((source >= 0) & (source < size)).view(shape)
        x = x.gather(axis, source.clamp(0, size - 1).view(shape).expand(x.shape)) * inside
    return x


def _holed(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 2"]
) -> Float[Tensor, "m c h w"]:
    size = (x.shape[2], x.shape[3])
    tall, wide = (
        _within(parameters[:, axis].long(), size[axis], int(side))
        for axis, side in enumerate(_largest(size, HOLE))
    )
    return x.masked_fill((tall[:, :, None] & wide[:, None, :])[:, None], 0.0)


def _within(middle: Tensor, size: int, side: int) -> Bool[Tensor, "r s"]:
    """Which pixels of a line lie in a hole."""
    first = (middle - side // 2)[:, None]
    places = torch.arange(size, device=middle.device)
    return (places >= first) & (places < first + side)


def _mirrored(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 1"]
) -> Float[Tensor, "m c h w"]:
    return torch.where((parameters > 0)[:, :, None, None], x.flip(3), x)


def _scaled(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 2"]
) -> Float[Tensor, "m c h w"]:
    return _mapped(x, torch.diag_embed(parameters))


def _rotated(
    x: Float[Tensor, "m c h w"], parameters: Float[Tensor, "r 1"]
) -> Float[Tensor, "m c h w"]:
    cos, sin = parameters.cos(), parameters.sin()
    return _mapped(x, torch.stack([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)], 1))


def _mapped(x: Float[Tensor, "m c h w"], matrix: Float[Tensor, "r 2 2"]) -> Float[Tensor, "..."]:
    """Pixels from where a linear map of places (x, y) in [−1, 1]² says, bilinear."""
    theta = functional.pad(matrix, (0, 1)).expand(len(x), 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )


_APPLIED: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "color": _coloured,
    "crop": _shifted,
    "cutout": _holed,
    "flip": _mirrored,
    "scale": _scaled,
    "rotate": _rotated,
}
