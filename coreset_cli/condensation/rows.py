"""Rows that a network made, for kernels that compute with points."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key, mix64

__all__ = ["numbered"]


def numbered(rows: Float[Tensor, "m d"]) -> Points:
    """Points on the processor, named by their numbers.

    Args:
        rows: finite.
    """
    numbers = np.arange(len(rows))
    key = Key(numbers, mix64(numbers.astype(np.uint64)))
    return Points(Matrix([Shard("rows", rows.detach().cpu().numpy())]), key)
