"""The learning rate of every step, as a pure function of the recipe."""

from math import cos, pi

from coreset_cli.training.recipe import NetworkRecipe

__all__ = ["learning_rate"]

FIRST_SHARE = 0.1
"""Of the highest rate, with which `one-cycle` begins."""


def learning_rate(recipe: NetworkRecipe, step: int, steps_an_epoch: int) -> float:
    """The rate of a step.

    Args:
        recipe: what to follow.
        step: counted from 0 over all epochs.
        steps_an_epoch: batches of an epoch.
    """
    highest, total = recipe.learning_rate, recipe.epochs * steps_an_epoch
    if recipe.schedule == "steps":
        place = step // steps_an_epoch * recipe.milestones_of
        passed = sum(place >= milestone * recipe.epochs for milestone in recipe.milestones)
        return highest / recipe.divisor**passed
    span = highest - recipe.last_rate
    if recipe.schedule == "cosine":
        return recipe.last_rate + span * (1 + cos(pi * step / total)) / 2
    peak = recipe.warm_up * total
    if step < peak:
        return highest * (FIRST_SHARE + (1 - FIRST_SHARE) * step / peak)
    return recipe.last_rate + span * (total - step) / (total - peak)
