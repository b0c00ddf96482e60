"""CutMix: a part of each picture comes from another one, and so does that share of its label.

Source: Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
features", ICCV 2019, section 3 and appendix A.
Deviates: shares are drawn uniformly (their Beta(1, 1)), and draws come from a generator of the
caller's.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

__all__ = ["Patch", "draw_patch", "patched", "patched_loss"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """A box, and from which picture each takes it.

    Args:
        partner: [m] the other picture of each.
        rows: of the box, from and to, in pixels.
        columns: of the box, from and to, in pixels.
    """

    partner: Int64[Tensor, " m"]
    rows: tuple[int, int]
    columns: tuple[int, int]


def draw_patch(*, rows: int, size: tuple[int, int], generator: torch.Generator) -> Patch:
    """Draw partners and one box for all pictures of a batch; at the border it is cut off.

    Args:
        rows: number of pictures.
        size: height and width in pixels.
        generator: of all draws, on the processor.
    """
    drawn = torch.rand(3, generator=generator).tolist()
    side = sqrt(1 - drawn[0])
    spans = []
    for length, place in zip(size, drawn[1:], strict=True):
        middle, half = int(place * length), int(length * side) // 2
        spans.append((max(0, middle - half), min(length, middle + half)))
    return Patch(partner=torch.randperm(rows, generator=generator), rows=spans[0], columns=spans[1])


def patched(pictures: Float[Tensor, "m c h w"], patch: Patch) -> Float[Tensor, "m c h w"]:
    """Pictures with the box of their partners.

    Args:
        pictures: of a batch.
        patch: drawn for it.
    """
    top, bottom = patch.rows
    left, right = patch.columns
    found = pictures.clone()
    others = pictures[patch.partner.to(pictures.device)]
    found[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return found


def patched_loss(
    logits: Float[Tensor, "m k"],
    targets: Int64[Tensor, " m"],
    patch: Patch,
    *,
    size: tuple[int, int],
) -> Float[Tensor, ""]:
    """Mean cross-entropy with both labels, each by its share of the pixels.

    Args:
        logits: of the pictures with their boxes.
        targets: [m] class of each picture itself.
        patch: the boxes.
        size: height and width in pixels.
    """
    box = (patch.rows[1] - patch.rows[0]) * (patch.columns[1] - patch.columns[0])
    share = box / (size[0] * size[1])
    own = functional.cross_entropy(logits, targets)
    other = functional.cross_entropy(logits, targets[patch.partner.to(targets.device)])
    return (1 - share) * own + share * other
