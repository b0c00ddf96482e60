"""Support rows in training: drawn anew each epoch beside the core rows, or mixed with them.

Source: "ECHO", its training. Its operator Ψ on core and support rows is never defined. Our
readings of it: identity (`none`), or `mixup` inside the class: each support row becomes a random
mix of itself and a random core row of its class, so that labels stay whole.
Deviates: support rows are drawn once an epoch and not once a step, for all rows in one step have
no epoch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from coreset_cli.training.augment import Draws, augmented
from coreset_cli.training.batches import Images, batches_of
from coreset_cli.training.recipe import NetworkRecipe

__all__ = ["Mix", "draw_mix", "epoch_rows", "mixed", "rows_an_epoch", "steps_an_epoch"]


@dataclass(frozen=True, eq=False)
class Mix:
    """What each row is mixed with in an epoch; core rows are with themselves.

    Args:
        partner: [n] row of the same class.
        share: [n] how much of a row is its own, in [0, 1].
    """

    partner: Int64[Tensor, " n"]
    share: Float32[Tensor, " n"]


def rows_an_epoch(core: int, support: int, recipe: NetworkRecipe) -> int:
    """How many rows an epoch trains on.

    Support rows without any core row are core rows.

    Args:
        core: rows that every epoch trains on.
        support: rows of which every epoch draws some.
        recipe: how many.
    """
    if core == 0 or recipe.support_a_epoch == "all":
        return core + support
    most = core if recipe.support_a_epoch == "auto" else recipe.support_a_epoch
    return core + min(support, most)


def steps_an_epoch(n: int, support: int, recipe: NetworkRecipe) -> int:
    """How many batches an epoch of n rows has, of which some are support rows."""
    rows = rows_an_epoch(n - support, support, recipe)
    return len(batches_of(torch.arange(rows), recipe.batch))


def epoch_rows(
    images: Images, recipe: NetworkRecipe, generator: torch.Generator
) -> Int64[Tensor, " m"]:
    """The rows of an epoch in the order they are trained on, none twice.

    Args:
        images: the data set.
        recipe: how many support rows there are.
        generator: of the epoch.
    """
    core, support = _roles(images)
    count = rows_an_epoch(len(core), len(support), recipe)
    if count == len(images):
        return torch.randperm(count, generator=generator).to(images.device)
    drawn = support[torch.randperm(len(support), generator=generator)[: count - len(core)]]
    rows = torch.cat([core, drawn])
    return rows[torch.randperm(count, generator=generator)].to(images.device)


def draw_mix(images: Images, recipe: NetworkRecipe, generator: torch.Generator) -> Mix | None:
    """Draw a partner and a share for every support row, once an epoch; nothing where none mixes.

    A support row whose class has no core row stays as it is.

    Args:
        images: the data set.
        recipe: whether rows are mixed.
        generator: of the epoch.
    """
    core, support = _roles(images)
    if recipe.interpolate == "none" or len(support) == 0:
        return None
    targets = images.targets.cpu()
    by_class = core[targets[core].argsort(stable=True)]
    counts = torch.bincount(targets[core], minlength=int(targets.max()) + 1)
    first = counts.cumsum(0) - counts
    # In double precision: a draw just below 1 times a count must not round up to the count.
    chosen = torch.rand(len(support), generator=generator, dtype=torch.float64)
    own = torch.rand(len(support), generator=generator)
    mine = counts[targets[support]]
    partner, share = torch.arange(len(images)), torch.ones(len(images))
    place = first[targets[support]] + (chosen * mine).long()
    matched = mine > 0
    partner[support[matched]] = by_class[place[matched]]
    share[support[matched]] = own[matched]
    return Mix(partner.to(images.device), share.to(images.device))


def mixed(
    images: Images,
    rows: Int64[Tensor, " m"],
    draws: Draws,
    mix: Mix | None,
    recipe: NetworkRecipe,
) -> Float32[Tensor, "m c h w"]:
    """Some rows as a network is trained on them: augmented each on its own, then mixed."""
    batch = augmented(images, rows, draws, recipe)
    if mix is None:
        return batch
    other = augmented(images, mix.partner[rows], draws, recipe)
    share = mix.share[rows][:, None, None, None]
    return share * batch + (1 - share) * other


def _roles(images: Images) -> tuple[Int64[Tensor, " c"], Int64[Tensor, " s"]]:
    """Core rows and support rows, ascending, on the processor."""
    if images.support is None:
        return torch.arange(len(images)), torch.empty(0, dtype=torch.int64)
    support = images.support.cpu()
    return (~support).nonzero()[:, 0], support.nonzero()[:, 0]
