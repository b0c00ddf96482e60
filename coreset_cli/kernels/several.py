"""Ways to make many picks at a time, each the same picks as one at a time.

On a device far from the host `classes` for many classes at once and `chain` for one pool; on a
processor `ahead` where rows exceed the cache and `batched` elsewhere.
"""

from collections.abc import Iterator
from typing import Protocol

from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from coreset_cli.kernels.fixed import Fixed

__all__ = ["Several"]


class Several(Protocol):
    """What the module of such a way has."""

    def match(
        self,
        points: Fixed,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        factor: int,
        first: int,
        k: int,
    ) -> Iterator[Int64[Tensor, " b"]]:
        """Pick k rows, batch by batch: each the leader after the one before it was matched.

        When a batch is handed out, its picks are -∞ in the state and matched in all other scores.

        Args:
            points: all rows.
            state: [n] scores; changed in place.
            pull: [n] what a step adds to them.
            factor: 1 or 2; a step takes factor · ⟨row, pick⟩ off every score.
            first: the row that leads.
            k: picks.
        """
        ...

    def cover(
        self,
        points: Fixed,
        nearest: Float64[Tensor, " n"],
        owner: Int32[Tensor, " n"],
        ranks: Int64[Tensor, " t"],
        k: int,
    ) -> Iterator[tuple[Int64[Tensor, " b"], list[float]]]:
        """Pick rows until there are k, batch by batch: each the farthest from those before it.

        Args:
            points: all rows.
            nearest: [n] squared distance of each row to its owner, the pick nearest to it; changed
                in place, -∞ for picks.
            owner: [n] which pick it is; changed in place.
            ranks: of the picks that are covered, and at last of the next, which is not.
            k: picks in all.

        Yields:
            Rows, and the squared distance of each to the picks before it; ∞ for the very first.
        """
        ...
