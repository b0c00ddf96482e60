"""Rows that live in several places: threads that wait for each other and share sums."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, BrokenBarrierError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.comm import Candidate, leading
from coreset_cli.kernels.points import Points


@dataclass
class Table:
    """What the places put down for each other."""

    size: int
    slots: list[Any] = field(init=False)
    barrier: Barrier = field(init=False)

    def __post_init__(self) -> None:
        self.slots = [None] * self.size
        self.barrier = Barrier(self.size, timeout=60)


@dataclass(frozen=True)
class ThreadComm:
    """One place among threads."""

    table: Table
    rank: int

    @property
    def size(self) -> int:
        return self.table.size

    def _all(self, mine: Any) -> list[Any]:
        self.table.slots[self.rank] = mine
        self.table.barrier.wait()
        every = list(self.table.slots)
        self.table.barrier.wait()
        return every

    def sum(self, part: NDArray[np.int64]) -> NDArray[np.int64]:
        assert part.dtype == np.int64
        return np.sum(self._all(part.copy()), axis=0)

    def best(self, mine: Candidate) -> Candidate:
        return leading(self._all(mine))

    def gather(self, small: bytes) -> list[bytes]:
        return self._all(bytes(small))


def everywhere(
    points: Points, parts: list[NDArray[np.int64]], job: Callable[[Points], Any]
) -> list[Any]:
    """What a job gives at every place, where place w holds the rows `parts[w]` of the points."""
    table = Table(len(parts))
    rows = points._matrix.take(np.arange(points.n))

    def at(place: int) -> Any:
        mine = parts[place]
        here = Points(
            Matrix([Shard(f"place {place}", rows[mine])]),
            points.key.take(mine),
            scaled=points.scaled,
            comm=ThreadComm(table, place),
            places=mine,
            serial=True,
        )
        try:
            return job(here)
        except Exception:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(len(parts)) as pool:
        found = [pool.submit(at, place) for place in range(len(parts))]
    for error in (one.exception() for one in found):
        if error is not None and not isinstance(error, BrokenBarrierError):
            raise error
    return [one.result() for one in found]
