"""Random crops, mirrors and holes in pictures, for a whole batch at once, on the device.

What is drawn for a picture depends on the seed, the epoch and its row alone: all draws come from
one generator on the processor, so batches, devices and threads change nothing. Only what `siamese`
does is drawn a batch, after all that.

Sources: crops and mirrors as in torchvision's `RandomCrop`, `RandomHorizontalFlip` and
`RandomResizedCrop`; holes: DeVries & Taylor, "Improved regularization of convolutional neural
networks with cutout", 2017.
Deviates: scaled pictures are not rounded to bytes between the steps.
"""

from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from coreset_cli.seeds import derived_seed
from coreset_cli.training.batches import Images, Pixels
from coreset_cli.training.recipe import NetworkRecipe
from coreset_cli.training.siamese import Strategy, draw_warp, parse_strategy, warped

__all__ = ["Draws", "augmented", "draw", "epoch_generator", "one_family", "seen_by_tests"]

DEFINED_AT = 64
"""Size of pictures, in pixels, for which resized crops are defined."""

TESTED_AT = 73
"""Size to which pictures of that size are scaled before tests see their middle."""

AREA = (0.08, 1.0)
"""Share of a picture's area in a resized crop."""

RATIO = (3 / 4, 4 / 3)
"""Width over height of a resized crop."""

TRIES = 10
"""Boxes drawn before one that fits is given up."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn for each row in an epoch; what is not there changes nothing.

    Args:
        mirrored: [n] which rows are mirrored, left to right.
        boxes: [n, 4] top, left, height and width of the part kept, in pixels of the picture; a
            part reaches beyond it where it is padded.
        holes: [n, 2] row and column of the middle of the hole.
    """

    mirrored: Bool[Tensor, " n"] | None = None
    boxes: Int64[Tensor, "n 4"] | None = None
    holes: Int64[Tensor, "n 2"] | None = None


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The generator of an epoch: of its order of rows, and then of what is drawn for them."""
    return torch.Generator().manual_seed(derived_seed(seed, f"epoch {epoch}"))


def draw(
    recipe: NetworkRecipe, shape: torch.Size, generator: torch.Generator, device: torch.device
) -> Draws:
    """Draw for every row of a data set, once an epoch.

    Args:
        recipe: what to draw.
        shape: n, c, h, w of the pictures.
        generator: of all draws.
        device: where they are used.
    """
    n, c, h, w = shape
    if not _is_augmented(recipe, shape):
        return Draws()
    boxes = holes = mirrored = None
    if recipe.crop == "resized":
        boxes = _parts(n, h, w, generator).to(device)
    elif recipe.crop != "none":
        places = torch.randint(-recipe.padding, recipe.padding + 1, (n, 2), generator=generator)
        boxes = torch.cat([places, torch.tensor([[h, w]]).expand(n, 2)], 1).to(device)
    if recipe.siamese == "none" and _mirrors(recipe, c):
        mirrored = (torch.rand(n, generator=generator) < 0.5).to(device)
    if recipe.cutout:
        middles = torch.rand((n, 2), generator=generator) * torch.tensor([h, w])
        holes = middles.long().to(device)
    return Draws(mirrored, boxes, holes)


def augmented(
    images: Images, rows: Int64[Tensor, " m"], draws: Draws, recipe: NetworkRecipe
) -> Float32[Tensor, "m c h w"]:
    """Some rows as a network is trained on them, normalised.

    Args:
        images: the data set.
        rows: which of it.
        draws: of this epoch, for all rows.
        recipe: how parts are padded or scaled, and how large holes are.
    """
    pixels = images.pixels[rows]
    h, w = pixels.shape[2:]
    boxes = None if draws.boxes is None else draws.boxes[rows]
    mirrored = None if draws.mirrored is None else draws.mirrored[rows]
    if boxes is not None and recipe.crop == "resized":
        values = _scaled_parts(pixels, boxes, mirrored, recipe.part)
    elif boxes is not None or mirrored is not None:
        values = _moved(pixels, boxes, mirrored, recipe.crop).float()
    else:
        values = pixels.float()
    batch = images.normalise(values)
    if draws.holes is None:
        return batch
    middles = draws.holes[rows]
    tall = _near(middles[:, 0], h, recipe.cutout)
    wide = _near(middles[:, 1], w, recipe.cutout)
    return batch.masked_fill((tall[:, :, None] & wide[:, None, :])[:, None], 0.0)


def one_family(
    batch: Float32[Tensor, "m c h w"], recipe: NetworkRecipe, generator: torch.Generator
) -> Float32[Tensor, "m c h w"]:
    """A batch under one family of what `siamese` names, each picture with draws of its own.

    Args:
        batch: normalised.
        recipe: its families; `flip` is left out where pictures are not to be mirrored.
        generator: of all draws; nothing is drawn without families.
    """
    if not _is_augmented(recipe, batch.shape):
        return batch
    strategy = parse_strategy(recipe.siamese)
    if not _mirrors(recipe, batch.shape[1]):
        strategy = Strategy(tuple(f for f in strategy.families if f != "flip"))
    m, _, h, w = batch.shape
    warp = draw_warp(strategy, rows=m, size=(h, w), generator=generator, shared=False)
    return warped(batch, warp)


def seen_by_tests(
    images: Images, rows: Int64[Tensor, " m"] | slice, recipe: NetworkRecipe
) -> Float32[Tensor, "m c h w"]:
    """Some rows as a network is tested on them, normalised: nothing is drawn."""
    if recipe.crop != "resized":
        return images.normalised(rows)
    values = images.pixels[rows].float()
    h, w = values.shape[2:]
    tall, wide = _magnified_middle(h, images.device), _magnified_middle(w, images.device)
    return images.normalise(torch.einsum("yh,mchw,xw->mcyx", tall, values, wide))


def _is_augmented(recipe: NetworkRecipe, shape: torch.Size) -> bool:
    _, c, h, w = shape
    return min(h, w) >= recipe.augment_from and (recipe.augment == "all" or c == 3)


def _mirrors(recipe: NetworkRecipe, channels: int) -> bool:
    return recipe.flip == "always" or (recipe.flip == "auto" and channels == 3)


def _magnified_middle(size: int, device: torch.device) -> Float32[Tensor, "size size"]:
    """Scaling to 73/64 of the size, of which the middle is kept."""
    large = round(size * TESTED_AT / DEFINED_AT)
    whole = torch.tensor([0], device=device), torch.tensor([size], device=device)
    first = round((large - size) / 2)
    return _scaling(*whole, large, size)[0, first : first + size]


def _moved(
    pixels: Pixels,
    boxes: Int64[Tensor, "m 4"] | None,
    mirrored: Bool[Tensor, " m"] | None,
    padding: str,
) -> Pixels:
    """Shifted and mirrored pictures, by one gather."""
    m, c, h, w = pixels.shape
    rows = torch.arange(h, device=pixels.device).expand(m, h)
    columns = torch.arange(w, device=pixels.device).expand(m, w)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    if boxes is not None:
        rows, columns = rows + boxes[:, :1], columns + boxes[:, 1:2]
    if padding == "reflect":
        rows, columns = _reflected(rows, h), _reflected(columns, w)
    inside = _inside(rows, h)[:, :, None] & _inside(columns, w)[:, None, :]
    place = rows.clamp(0, h - 1)[:, :, None] * w + columns.clamp(0, w - 1)[:, None, :]
    moved = pixels.flatten(2).gather(2, place.view(m, 1, h * w).expand(m, c, h * w))
    return moved.view(m, c, h, w) * inside[:, None]


def _inside(places: Int64[Tensor, "m s"], size: int) -> Bool[Tensor, "m s"]:
    return (places >= 0) & (places < size)


def _reflected(places: Int64[Tensor, "m s"], size: int) -> Int64[Tensor, "m s"]:
    """Places beyond the border, mirrored at the middle of the last pixel."""
    period = max(1, 2 * (size - 1))
    places = places.remainder(period)
    return torch.minimum(places, period - places)


def _near(middle: Int64[Tensor, " m"], size: int, side: int) -> Bool[Tensor, "m s"]:
    """Which pixels lie in a hole of this side."""
    first = (middle - side // 2)[:, None]
    places = torch.arange(size, device=middle.device)[None]
    return (places >= first) & (places < first + side)


def _scaled_parts(
    pixels: Pixels,
    boxes: Int64[Tensor, "m 4"],
    mirrored: Bool[Tensor, " m"] | None,
    part: int,
) -> Float32[Tensor, "m c h w"]:
    """Parts of pictures, scaled to `part` / 64 of the size and then to all of it."""
    h, w = pixels.shape[2:]
    tall = _twice_scaled(boxes[:, 0], boxes[:, 2], h, part)
    wide = _twice_scaled(boxes[:, 1], boxes[:, 3], w, part)
    if mirrored is not None:
        wide = torch.where(mirrored[:, None, None], wide.flip(1), wide)
    return torch.einsum("myh,mchw,mxw->mcyx", tall, pixels.float(), wide)


def _twice_scaled(
    first: Int64[Tensor, " m"], length: Int64[Tensor, " m"], size: int, part: int
) -> Float32[Tensor, "m size size"]:
    small = max(1, round(size * part / DEFINED_AT))
    nothing = torch.zeros_like(first[:1])
    widened = _scaling(nothing, nothing + small, size, small)
    return widened @ _scaling(first, length, small, size)


def _scaling(
    first: Int64[Tensor, " m"], length: Int64[Tensor, " m"], to: int, size: int
) -> Float32[Tensor, "m to size"]:
    """Weights that scale a part of a line of pixels: a triangle, widened where it shrinks.

    Args:
        first: pixel at which each part begins.
        length: pixels of each part.
        to: pixels to make of it.
        size: pixels of the line.
    """
    step = (length / to)[:, None, None]
    targets = torch.arange(to, device=first.device)[None, :, None] + 0.5
    places = torch.arange(size, device=first.device)[None, None, :]
    begin, end = first[:, None, None], (first + length)[:, None, None]
    away = (places + 0.5 - begin - targets * step).abs() / step.clamp_min(1.0)
    weights = (1 - away).clamp_min(0) * ((places >= begin) & (places < end))
    return weights / weights.sum(2, keepdim=True)


def _parts(n: int, h: int, w: int, generator: torch.Generator) -> Int64[Tensor, "n 4"]:
    """Boxes of a random area and ratio, the first of ten that fits, else the largest middle."""
    share = AREA[0] + (AREA[1] - AREA[0]) * torch.rand((n, TRIES), generator=generator)
    low, high = log(RATIO[0]), log(RATIO[1])
    ratio = torch.exp(low + (high - low) * torch.rand((n, TRIES), generator=generator))
    wide = torch.round(torch.sqrt(h * w * share * ratio)).long()
    tall = torch.round(torch.sqrt(h * w * share / ratio)).long()
    fits = (wide >= 1) & (wide <= w) & (tall >= 1) & (tall <= h)
    first = fits.int().argmax(1, keepdim=True)
    tall, wide = tall.gather(1, first)[:, 0], wide.gather(1, first)[:, 0]
    places = torch.rand((n, 2), generator=generator)
    top = (places[:, 0] * (h - tall + 1)).long()
    left = (places[:, 1] * (w - wide + 1)).long()
    boxes = torch.stack([top, left, tall, wide], 1)
    boxes[~fits.any(1)] = torch.tensor(_middle(h, w))
    return boxes


def _middle(h: int, w: int) -> tuple[int, int, int, int]:
    """The largest box in the middle whose ratio is allowed."""
    tall = min(h, round(w / RATIO[0]))
    wide = min(w, round(h * RATIO[1]))
    return (h - tall) // 2, (w - wide) // 2, tall, wide
