"""Several picks from one pass over the rows, where one pass a pick waits for the memory.

The next picks are guessed in a small pool of rows and checked against all rows in one pass, so they
are the very picks of one pass each.

- Matching: the pool is of rows that led lately. The pass computes the products of every row with
  all guesses, and sees whether, at the turn of a guess, a row outside the pool comes before it; the
  guesses up to there hold: four to seven of eight, counted on vectors of encoders.
- Farthest first: the pool is of the rows farthest from the picks. Distances to the picks only
  shrink, so a guess holds while it is farther than the farthest row outside was at the start:
  nothing is left to check, and some thirty guesses share a pass.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.kernels import batched
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS, Rounded, leader

__all__ = ["cover", "holds", "match", "reaches"]

WORTH_BYTES = 64 << 20
"""Bytes of rows from which the memory, and not the processor, is waited for."""

FAR_WORTH_BYTES = 8 << 20
"""Bytes of rows from which farthest first gains: its guesses cost no check."""

CHUNK_BYTES = 1 << 19
"""Bytes of rows that a thread takes at a time; one row of each chunk may join the pool."""

POOL_BYTES = 4 << 20
"""Bytes of rows in the pool: they stay in the cache."""

POOL_ROWS = 4096
"""Rows in the pool at most."""

SHARE = 32
"""Part of the pool that is renewed before every pass of matching."""

FEWEST, MOST = 2, 8
"""Guesses of a pass of matching: two more than held in the pass before."""

FAR_ROWS = 2048
"""Rows in the pool of farthest first."""

FAR_MOST = 32
"""Guesses of a pass of farthest first."""


def holds(points: Fixed) -> bool:
    """Whether all rows are here, run through by all threads, and many enough for matching."""
    return _holds(points, WORTH_BYTES)


def reaches(points: Fixed) -> bool:
    """The same for farthest first."""
    return _holds(points, FAR_WORTH_BYTES)


def _holds(points: Fixed, worth: int) -> bool:
    many = 2 * points.rows.values.numel() >= worth
    return batched.holds(points) and not points.points.serial and many


def match(
    points: Fixed,
    state: Float64[Tensor, " n"],
    pull: Float64[Tensor, " n"],
    factor: int,
    first: int,
    k: int,
) -> Iterator[Int64[Tensor, " b"]]:
    """See `Several`."""
    rows = points.rows
    pool = _Pool(rows, state, pull, factor)
    guesses, done = FEWEST, 0
    while done < k:
        picks = pool.picks(min(guesses, k - done))
        done += len(picks)
        guesses = min(MOST, len(picks) + 2)
        yield torch.from_numpy(picks)


class _Pool:
    """Rows that led lately, and the scores of all rows."""

    def __init__(
        self,
        rows: Rounded,
        state: Float64[Tensor, " n"],
        pull: Float64[Tensor, " n"],
        factor: int,
    ) -> None:
        n, d = rows.values.shape
        self._values, self._lifts = rows.values.numpy(), rows.lifts.numpy()
        self._rank, self._state, self._pull = rows.rank.numpy(), state.numpy(), pull.numpy()
        self._factor = float(factor)
        self._chunk = max(1, CHUNK_BYTES // (2 * d))
        self._products = np.empty((n, MOST), np.int32)
        self._leaders = np.empty(-(-n // self._chunk), np.int64)
        size = max(SHARE, min(POOL_ROWS, POOL_BYTES // (2 * d)))
        self._rows = np.full(size, -1)
        self._copies = np.empty((size, d), np.int16)
        self._known = np.zeros(n, np.bool_)
        self._oldest = 0
        self._settle(np.empty(0))

    def picks(self, most: int) -> NDArray[np.int64]:
        """The next picks, one at least; they are matched in all scores.

        Args:
            most: how many to guess.
        """
        from coreset_cli.kernels import machine_ahead as machine

        self._renew()
        rows = self._rows[self._rows >= 0]
        guesses, scores = np.empty(most, np.int64), np.empty(most)
        machine.guess(
            self._copies[self._rows >= 0], self._lifts[rows], self._rank[rows],
            self._state[rows], self._pull[rows], self._factor, self._chunk, guesses, scores,
        )  # fmt: skip
        picks = rows[guesses]
        factors = self._factor * POWERS.numpy()[self._lifts[picks]]
        held = machine.verify(
            self._values, self._lifts, self._rank, self._state, self._pull, self._known,
            self._values[picks], factors, scores, self._rank[picks], self._chunk, self._products,
        )  # fmt: skip
        self._state[picks[:held]] = -np.inf
        self._settle(factors[:held])
        return picks[:held]

    def _settle(self, factors: NDArray[np.float64]) -> None:
        from coreset_cli.kernels import machine_ahead as machine

        machine.settle(
            self._lifts, self._rank, self._state, self._pull, self._products, factors,
            self._chunk, self._leaders,
        )  # fmt: skip

    def _renew(self) -> None:
        """Let the leaders of the best chunks in, in place of the oldest rows."""
        few = len(self._rows) // SHARE
        best = self._leaders
        if few < len(best):
            leads = np.lexsort((self._rank[best], -self._state[best]))[0]
            best = np.append(best[np.argpartition(-self._state[best], few)[:few]], best[leads])
            best = np.unique(best)
        places = (self._oldest + np.arange(len(best))) % len(self._rows)
        gone = self._rows[places]
        self._known[gone[gone >= 0]] = False
        self._rows[places] = -1
        fresh = best[~self._known[best]]
        places = places[: len(fresh)]
        self._rows[places], self._copies[places] = fresh, self._values[fresh]
        self._known[fresh] = True
        self._oldest = (self._oldest + len(fresh)) % len(self._rows)


def cover(
    points: Fixed,
    nearest: Float64[Tensor, " n"],
    owner: Int32[Tensor, " n"],
    ranks: Int64[Tensor, " t"],
    k: int,
) -> Iterator[tuple[Int64[Tensor, " b"], list[float]]]:
    """See `Several`."""
    rows = points.rows
    before = rows.numbers(ranks)
    reach = _Reach(rows, nearest, owner, before[:-1], k)
    batch, scores = reach.picks(before[-1:].numpy(), -np.inf)
    yield torch.from_numpy(batch), scores
    while reach.done < k:
        batch, scores = reach.picks(*reach.farthest())
        if not len(batch):  # one outside the pool is as far: of all equals the smallest id
            batch, scores = reach.picks(np.array([leader(nearest, rows.rank)]), -np.inf)
        yield torch.from_numpy(batch), scores


class _Reach:
    """How far all rows are from the picks.

    Args:
        done: picks that are covered.
    """

    def __init__(
        self,
        rows: Rounded,
        nearest: Float64[Tensor, " n"],
        owner: Int32[Tensor, " n"],
        before: Int64[Tensor, " t"],
        k: int,
    ) -> None:
        n, d = rows.values.shape
        picked = Rounded.empty(k, d, nearest.device)
        self.done = len(before)
        for name, values in vars(rows.take(before)).items():
            vars(picked)[name][: self.done] = values
        self._rows, self._picked = _arrays(rows), _arrays(picked)
        self._nearest, self._owner = nearest.numpy(), owner.numpy()
        self._pool = max(1, min(FAR_ROWS, POOL_BYTES // (2 * d), n - 1))
        self._chunk = max(1, CHUNK_BYTES // (2 * d))

    def farthest(self) -> tuple[NDArray[np.int64], float]:
        """Rows of a pool, and the largest squared distance outside."""
        edge = len(self._nearest) - self._pool - 1
        order = np.argpartition(self._nearest, edge)
        return order[edge + 1 :], float(self._nearest[order[edge]])

    def picks(self, pool: NDArray[np.int64], bound: float) -> tuple[NDArray[np.int64], list[float]]:
        """The next picks, all of a pool and farther than a bound; they are covered.

        Returns:
            The rows and the squared distances they were picked at.
        """
        from coreset_cli.kernels import machine_ahead as machine

        most = min(FAR_MOST, len(pool), len(self._picked[0]) - self.done)
        guesses, scores = np.empty(most, np.int64), np.empty(most)
        spacing = np.empty((most, self.done + most))
        held = machine.guess_far(
            tuple(part[pool] for part in self._rows), self._nearest[pool], self._owner[pool],
            bound, self._picked, self.done, self._chunk, guesses, scores, spacing,
        )  # fmt: skip
        batch, new = pool[guesses[:held]], slice(self.done, self.done + held)
        self._nearest[batch] = -np.inf
        machine.cover_all(
            self._rows, self._nearest, self._owner, tuple(part[new] for part in self._picked),
            spacing, self.done, self._chunk,
        )  # fmt: skip
        self.done += held
        return batch, scores[:held].tolist()


def _arrays(rows: Rounded) -> tuple[NDArray[np.generic], ...]:
    return tuple(part.numpy() for part in (rows.values, rows.lifts, rows.squares, rows.rank))
