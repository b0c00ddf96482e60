"""Vectors to select from, and the doors of the package through which they are selected."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.commands.register import make_method
from coreset_cli.compose.per_class import PerClass
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, Picks, Selector, choose

__all__ = ["class_codes", "clouds", "inputs_of", "pick", "selector_of"]

SPREAD = 0.5
"""Spread of the logarithm of the rows' own spreads: some are near their centre, some far out."""

CPU = torch.device("cpu")


def class_codes(n: int, c: int) -> NDArray[np.int64]:
    """[n] the cloud of each row, at random."""
    return np.random.default_rng(1).integers(0, c, n)


def clouds(n: int, d: int, *, dtype: str = "float32", c: int = 10) -> NDArray[np.floating]:
    """[n, d] as many clouds as classes, off the origin, as vectors of an encoder are.

    The variance of a cloud falls along its axes as 1/j, and each row has a spread of its own.
    """
    rng = np.random.default_rng(0)
    centres = 1 + rng.standard_normal((c, d), np.float32)
    values = rng.standard_normal((n, d), np.float32)
    values *= np.sqrt(d / (8 * np.arange(1, d + 1))).astype(np.float32)
    values *= np.exp(SPREAD * rng.standard_normal((n, 1), np.float32))
    values += centres[class_codes(n, c)]
    return values.astype(dtype, copy=False)


def inputs_of(
    array: NDArray[np.floating], device: torch.device = CPU, codes: NDArray[np.int64] | None = None
) -> Inputs:
    """An array as methods see it: read, and all that is made of it, again at each call."""
    points = Points(Matrix([Shard("array", array)]), row_numbers(len(array)).key(), device)
    classes = None
    if codes is not None:
        classes = Labels(codes, tuple(map(str, range(int(codes.max()) + 1))))
    return Inputs(key=points.key, points=points, classes=classes)


def selector_of(name: str, settings: Mapping[str, str], balance: str | None = None) -> Selector:
    """A method that picks, inside classes where a balance is given."""
    method = make_method(name, settings)
    return method if balance is None else PerClass(method=method, balance=balance)


def pick(selector: Selector, inputs: Inputs, k: int) -> Picks:
    """Through the one door of all selections."""
    return choose(selector, inputs, k, Rng(0))
