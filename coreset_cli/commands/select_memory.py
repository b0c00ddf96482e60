"""The memory that `select` stays within, and where the rounded rows go."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.compose.judged import Judged
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass, at_once
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.device import START_UP, anonymous_memory, require_memory
from coreset_cli.kernels.coordinate import COLUMN_BYTES
from coreset_cli.kernels.fixed import START_ROWS
from coreset_cli.kernels.loops import BATCH
from coreset_cli.kernels.matching import STATE_BYTES
from coreset_cli.kernels.points import KEPT_BYTES, STORED_BYTES
from coreset_cli.selector import Selector

__all__ = ["Memory", "memory_of_any", "planned_memory"]

ROW_BYTES = 40
"""Bytes a row of ranks, hashes, places and the order of rows."""

CLASS_BYTES = 32
"""Bytes a row, where rows have classes: which rows each has, and whose turn it is."""

PICK_BYTES = 64
"""Bytes a pick of what is kept and printed of it."""

MOST_STATE = STATE_BYTES
"""Bytes a row that the methods hold at most beside rounded rows."""

LEAST = 16 << 20
"""Bytes for what depends on nothing: modules loaded late, stacks of threads, remains of blocks."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of anonymous memory; mapped files and temporary copies are the system's cache.

    Args:
        held: by the process with its input open.
        needed: beside that, but for rounded rows.
        rows: of the rounded rows that are in memory at once.
        room: that rounded rows may take in memory; what does not fit goes to a file.
        filed: of the rounded rows that go to a temporary file.
    """

    held: int
    needed: int
    rows: int
    room: int
    filed: int

    @property
    def peak(self) -> int:
        """The most that is held at once."""
        return self.held + self.needed + self.rows

    def require(self, limit: int, n: int) -> None:
        """Refuse what would not fit, before anything is read.

        Raises:
            DoesNotFit: it says what would do.
        """
        require_memory(
            limit,
            self.needed,
            f"selecting from {n} rows",
            "allow more, or select from fewer rows at a time",
            held=self.held,
        )


def planned_memory(
    data: Embeddings,
    selector: Selector,
    k: int,
    *,
    limit: int,
    device: torch.device,
    beside: int = 0,
) -> Memory:
    """What opening took and selecting will take, for an input that is open.

    Args:
        data: the input.
        selector: what picks.
        k: rows to pick.
        limit: bytes the process may hold.
        device: where rounded rows are held.
        beside: bytes that signals of training take.
    """
    n, d = data.matrix.n, data.matrix.d
    if isinstance(selector, Judged):
        beside += n * selector.held
        steps = (ByScore(method=selector.judge), n), (selector.method, k)
        planned = [
            planned_memory(data, step, count, limit=limit, device=device, beside=beside)
            for step, count in steps
        ]
        return replace(max(planned, key=lambda plan: plan.peak), room=planned[1].room)
    sizes, quotas = np.array([n]), np.array([k])
    needed = LEAST + beside + n * ROW_BYTES + k * PICK_BYTES + _blocks(n, d)
    if isinstance(selector, PerClass | PerGroup):
        sizes, quotas = _at_once(data, selector, k, device)
        needed += n * CLASS_BYTES
    costs = [selector.cost(*pool) for pool in zip(sizes.tolist(), quotas.tolist(), strict=True)]
    if data.labels is not None:
        needed += len(data.labels.names) * costs[0].per_class
    rows = 0
    for m, cost in zip(sizes.tolist(), costs, strict=True):
        needed += m * cost.state + 2 * cost.kept * d
        if cost.grids:
            needed += _sums(m, d)
            rows += int(2 * m * d * cost.grids)
    needed += sum(_blocks(m, d) for m in sizes[1:].tolist())
    held = anonymous_memory() or START_UP
    room = max(0, limit - held - needed)
    if device.type != "cpu":
        return Memory(held=held, needed=needed, rows=0, room=room, filed=0)
    grids = max(1.0, *(cost.grids for cost in costs))
    if rows <= room:
        return Memory(held=held, needed=needed, rows=rows, room=int(room / grids), filed=0)
    largest = int(2 * int(sizes[0]) * d * costs[0].grids)
    return Memory(
        held=held,
        needed=needed,
        rows=0 if len(sizes) == 1 else room,
        room=int(room / grids),
        filed=largest if largest > room else 0,
    )


def memory_of_any(data: Embeddings) -> int:
    """Bytes that selecting all rows by any method takes, but for rounded rows."""
    n, ids = data.matrix.n, data.ids
    row = ROW_BYTES + CLASS_BYTES + MOST_STATE + PICK_BYTES
    return LEAST + n * row + ids.values.nbytes + _blocks(n, data.matrix.d)


def _at_once(
    data: Embeddings, selector: PerClass | PerGroup, k: int, device: torch.device
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and picks of the classes that are worked on at once, at most: the largest ones.

    Of groups no more is known than that they lie in classes.

    Where the largest is picked from alone, those behind it may still hold more together.
    """
    labels = data.labels if isinstance(selector, PerGroup) else require_labels(data)
    sizes = np.array([data.matrix.n]) if labels is None else labels.counts()
    quotas = selector.quotas(sizes, k)
    largest = np.lexsort((-quotas, -sizes * (quotas > 0)))
    alone, most = at_once(selector, sizes[largest].tolist(), data.matrix.d, device)
    together = largest[alone : alone + most]
    first = max(largest[: min(alone, 1)], together, key=lambda some: int(sizes[some].sum()))
    return sizes[first], quotas[first]


def _blocks(m: int, d: int) -> int:
    """Bytes of blocks of m rows, of the sample that says where the grid lies, and its columns."""
    sample = 8 * min(m, START_ROWS) * d
    return min(sample, KEPT_BYTES) + min(sample, COLUMN_BYTES) + min(8 * m * d, 3 * STORED_BYTES)


def _sums(m: int, d: int) -> int:
    """Bytes of the sums that threads leave of every chunk of m rows."""
    return 24 * d * -(-m // BATCH)
