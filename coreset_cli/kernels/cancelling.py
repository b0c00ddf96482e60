"""Pick m of n matrices whose sum is as near to 0 as swaps can bring it.

Source: Kirkpatrick, Gelatt & Vecchi, "Optimization by simulated annealing", Science 220, 1983; the
descent after it is exact greedy exchange.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.gradients import RankOne
from coreset_cli.kernels.points import TIE

__all__ = ["cancelling", "norm_of_sum"]

PAIRS = 16
"""Swaps looked at in one step of annealing."""

STEPS_PER_ROW = 20 / PAIRS
TRIALS = 1000
"""Random swaps that say how hot to begin."""

COOLED = 1e-4
"""Last temperature, relative to the first."""

GAIN = 1e-12
"""Relative gain that ends the descent."""

Rows = NDArray[np.int64]


def norm_of_sum(matrices: RankOne, rows: Rows) -> float:
    """Frobenius norm of the sum of some matrices."""
    return float(np.linalg.norm(matrices.take(rows).total()))


def cancelling(
    matrices: RankOne,
    start: Rows,
    random: np.random.Generator,
    progress: Callable[[int, int], None],
) -> Rows:
    """As many rows as `start` has, of a sum as near to 0 as annealing and descent bring it.

    Where swaps change nothing there is nothing to anneal, and the last rows are where it begins.

    Args:
        matrices: n of them.
        start: [m] distinct rows, 0 < m < n.
        random: which swaps to look at.
        progress: told of the steps of annealing.
    """
    n, m = matrices.n, len(start)
    swaps = _Swaps(matrices, start)
    hot = float(np.median(np.abs(swaps.changes(*swaps.drawn(random, TRIALS)))))
    if hot <= TIE * float(np.mean(matrices.norms**2)):
        return _descended(matrices, np.arange(n - m, n))
    steps = int(np.ceil(STEPS_PER_ROW * n))
    least, kept, done = swaps.objective, 0, list[tuple[int, int]]()
    for step in range(steps):
        temperature = hot * COOLED ** (step / max(1, steps - 1))
        ins, outs = swaps.drawn(random, PAIRS)
        changes = swaps.changes(ins, outs)
        best = int(changes.argmin())
        change = float(changes[best])
        if change < 0 or random.random() < np.exp(-change / temperature):
            done.append((int(ins[best]), int(outs[best])))
            swaps.swap(*done[-1], change)
            if swaps.objective < least:
                least, kept = swaps.objective, len(done)
        progress(step + 1, steps)
    for inside, outside in reversed(done[kept:]):
        swaps.exchange(inside, outside)
    return _descended(matrices, swaps.inside)


class _Swaps:
    """A set of m rows, the sum of their matrices, and what swaps would change.

    Args:
        matrices: n of them.
        start: [m] rows that are in the set.
    """

    def __init__(self, matrices: RankOne, start: Rows) -> None:
        self.inside = start.copy()
        self.outside = np.setdiff1d(np.arange(matrices.n), start)
        self._matrices = matrices
        self._squares = matrices.norms**2
        self._sum = matrices.take(start).total()
        self.objective = float((self._sum**2).sum())

    def drawn(self, random: np.random.Generator, pairs: int) -> tuple[Rows, Rows]:
        """Places inside and places outside, drawn with replacement."""
        return (
            random.integers(len(self.inside), size=pairs),
            random.integers(len(self.outside), size=pairs),
        )

    def changes(self, ins: Rows, outs: Rows) -> NDArray[np.float64]:
        """[p] what each swap would change ‖sum‖² by."""
        a, b = self.inside[ins], self.outside[outs]
        one, other = self._matrices.take(a), self._matrices.take(b)
        between = np.einsum("pc,pc->p", one.left, other.left)
        between *= np.einsum("pq,pq->p", one.right, other.right, dtype=np.float64)
        apart = self._squares[a] + self._squares[b] - 2 * between
        return 2 * (other.inner(self._sum) - one.inner(self._sum)) + apart

    def swap(self, inside: int, outside: int, change: float) -> None:
        """Do one."""
        rows = np.array([self.inside[inside], self.outside[outside]])
        self._sum += self._matrices.take(rows).total(np.array([-1.0, 1.0]))
        self.objective += change
        self.exchange(inside, outside)

    def exchange(self, inside: int, outside: int) -> None:
        """Do or undo one, without its sum."""
        self.inside[inside], self.outside[outside] = self.outside[outside], self.inside[inside]


def _descended(matrices: RankOne, rows: Rows) -> Rows:
    """Swap the best out and the best in, one after the other, while that brings the sum nearer 0.

    The inner products of all matrices with the sum are kept, so a swap costs two columns.
    """
    chosen = np.zeros(matrices.n, bool)
    chosen[rows] = True
    total = matrices.take(rows).total()
    objective = float((total**2).sum())
    pull, squares = matrices.inner(total), matrices.norms**2
    while True:
        out = _least(squares - 2 * pull, chosen)
        without = pull - matrices.columns(np.array([out]))[0]
        between = objective + squares[out] - 2 * pull[out]
        chosen[out] = False
        back = _least(squares + 2 * without, ~chosen)
        after = between + squares[back] + 2 * without[back]
        if back == out or objective - after <= GAIN * objective:
            chosen[out] = True
            return np.flatnonzero(chosen)
        chosen[back] = True
        pull, objective = without + matrices.columns(np.array([back]))[0], after


def _least(values: NDArray[np.float64], among: NDArray[np.bool_]) -> int:
    return int(np.where(among, values, np.inf).argmin())
