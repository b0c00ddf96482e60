"""Hyperparameters of training: frozen, named, saved with the result."""

from collections.abc import Callable
from dataclasses import dataclass

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["LinearRecipe", "find_recipe"]


@dataclass(frozen=True, kw_only=True)
class LinearRecipe:
    """How the linear model is trained.

    Args:
        name: on the command line.
        costs: values of C to choose from, ascending; ties go to the first.
        folds: of the cross-validation that chooses.
        few: with fewer rows than this, C is not chosen.
        cost_of_few: C for so few rows.
        floor: probability of a class that a fold's training part lacks, before renormalising.
    """

    name: str = "linear"
    costs: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    folds: int = 4
    few: int = 4
    cost_of_few: float = 1e-2
    floor: float = 1e-6


RECIPES: dict[str, Callable[[], LinearRecipe]] = {"linear": LinearRecipe}


def find_recipe(name: str) -> LinearRecipe:
    """The recipe of this name.

    Raises:
        InvalidParameter: there is none.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES) or f"; there is {', '.join(RECIPES)}"
        raise InvalidParameter(f"unknown recipe '{name}'{hint}")
    return RECIPES[name]()
