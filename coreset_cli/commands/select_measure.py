"""How long `select` will take: it is run on a part of the input for about a second."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from coreset_cli.artifacts.embeddings import Embeddings, scan
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.commands.select_signals import made_up_signals
from coreset_cli.compose.judged import Judged
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass, at_once
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.compose.threads import Tally, side_by_side
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.clustering import SphericalKMeans
from coreset_cli.kernels.cuda.chain import far
from coreset_cli.kernels.fixed import START_ROWS
from coreset_cli.kernels.points import SMALL, Points
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, Selector, silent

__all__ = ["Times", "extended", "grown", "measured_times"]

READ_SECONDS = 0.25
"""How long reading is measured."""

PICK_SECONDS = 1.0
"""How long picking is measured."""

MOST_PICK_SECONDS = 4.0
"""How long it is where few picks are made in that time: the second may be as slow as the first."""

FEWEST_PICKS = 8
"""Picks that are not few."""

BEFORE_SECONDS = 3.0
"""How long what comes before the first pick may take, as far as rows can be left out for that."""

STEEP = 1.5
"""Power of the rows from which on seconds are taken to grow with the square of the rows."""

SAMPLE_BYTES = 64 << 20
"""Bytes of rounded rows that are measured: more than caches hold, so memory shows."""

FEW_CLASSES = 20
"""Classes that are measured at least, where there are as many."""

SAMPLE_IDS = 20_000
"""Ids whose digest is measured."""

GROUPED_ROWS = 4096
"""Rows that are divided into groups to see how long it takes."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of a run.

    Args:
        reading: the values once, and the digests of ids.
        centre: rounding, the centre, and all else before the first pick; of a method that ranks
            all rows at once, all it does.
        picking: the picks.
    """

    reading: float
    centre: float
    picking: float


@dataclass(frozen=True)
class _Run:
    """Seconds that a method took before its first pick, and for each pick after it."""

    before: float
    pick: float


def extended(n: int, few: tuple[int, float], many: tuple[int, float]) -> float:
    """Seconds for n rows on the line through two measurements; it never falls.

    Args:
        n: rows.
        few: rows and seconds.
        many: rows, no fewer, and seconds.
    """
    rows, seconds = many
    slope = (seconds - few[1]) / max(1, rows - few[0])
    return seconds + max(0.0, slope) * (n - rows)


def grown(n: int, few: tuple[int, float], many: tuple[int, float]) -> float:
    """Seconds for n rows, where all pairs of rows may be looked at.

    The line of `extended`, or the square where they grew too fast for a line.

    Args:
        n: rows.
        few: rows and seconds.
        many: rows, no fewer, and seconds.
    """
    if not _is_steep(few, many):
        return extended(n, few, many)
    return many[1] * max(1.0, n / many[0]) ** 2


def _is_steep(few: tuple[int, float], many: tuple[int, float]) -> bool:
    return many[0] > few[0] and many[1] > few[1] * (many[0] / few[0]) ** STEEP


def _affordable(few: tuple[int, float], more: tuple[int, float], many: int) -> int:
    """Rows, from `more` to many, that take `BEFORE_SECONDS` about."""
    times = BEFORE_SECONDS / max(more[1], 1e-9)
    rows = more[0] * (math.sqrt(times) if _is_steep(few, more) else times)
    return int(min(many, max(more[0], rows)))


class _EnoughError(Exception):
    """It was measured for long enough."""


def measured_times(
    data: Embeddings, selector: Selector, k: int, *, device: torch.device, room: int
) -> Times:
    """Read and select for about a second; what grows with the rows is scaled to all of them.

    Args:
        data: the input.
        selector: what picks; its loops are loaded.
        k: rows to pick.
        device: where it computes.
        room: bytes of rounded rows that may be held in memory.
    """
    reading, rate = _reading(data)
    judging = 0.0
    if isinstance(selector, Judged):
        judge = ByScore(method=selector.judge)
        judging = sum(_in_one_pool(data, judge, data.matrix.n, device, room, int(rate)))
        selector = selector.method
    if isinstance(selector, PerGroup):
        centre, picking = _by_group(data, selector, k, device, room)
    elif isinstance(selector, PerClass):
        centre, picking = _by_class(data, selector, k, device, room)
    else:
        centre, picking = _in_one_pool(data, selector, k, device, room, int(rate))
    return Times(reading=reading, centre=judging + centre, picking=picking)


def _reading(data: Embeddings) -> tuple[float, float]:
    """Seconds of the scan and of what is made of ids; and rows read in `PICK_SECONDS`."""
    n = data.matrix.n
    some = _first_rows(data, min(n, SAMPLE_IDS))
    started = time.perf_counter()
    some.ids.key()
    some.ids.digest()
    if some.labels is not None:
        some.labels.digest()
    ids = (time.perf_counter() - started) * n / some.matrix.n
    started, rows, ended = time.perf_counter(), 0, 0.0

    def progress(done: int, total: int) -> None:
        nonlocal rows, ended
        rows, ended = done, time.perf_counter()
        if ended - started > READ_SECONDS:
            raise _EnoughError

    with suppress(_EnoughError):
        scan(replace(data, ids=some.ids, labels=None), progress)
    values = ended - started
    return ids + values * n / rows, PICK_SECONDS * rows / values


def _in_one_pool(
    data: Embeddings, selector: Selector, k: int, device: torch.device, room: int, rows: int
) -> tuple[float, float]:
    """Seconds before the first pick and of all picks, from two parts of the rows."""
    n, d = data.matrix.n, data.matrix.d

    def run(m: int, most: int = k) -> _Run:
        part = _first_rows(data, m)
        points = Points(part.matrix, part.ids.key(), device, room=room)
        c = 2 if part.labels is None else len(part.labels.names)
        signals = made_up_signals(m, d, c, selector.needs)
        inputs = Inputs(
            key=points.key,
            points=points,
            classes=part.labels and _as_large(part.labels, n),
            signals=signals,
            scores=np.arange(m, dtype=np.float64),
        )
        return _run(selector, inputs, min(most, m))

    few = min(n, max(START_ROWS, -(-SMALL // d)))
    many = min(n, max(2 * few, min(rows, SAMPLE_BYTES // (2 * d))))
    first = run(few)
    if many > 2 * few and first.before * (many / few) ** 2 > BEFORE_SECONDS:
        more = 2 * few, run(2 * few, 1).before
        many = _affordable((few, first.before), more, many)
    second = first if many == few else run(many)
    before = grown(n, (few, first.before), (many, second.before))
    picking = extended(n, (few, first.pick), (many, second.pick)) * (k - 1)
    looked = selector.cost(many, 1).passes
    if looked > many / 4:
        # All pairs come first, so a pass is known; the first picks look at more than later ones.
        passes = selector.cost(n, k).passes - selector.cost(n, 1).passes
        picking = min(picking, passes * second.before / looked * n / many)
    return before, picking


def _as_large(labels: Labels, n: int) -> Labels:
    """Classes of some rows, merged until each is about as large as among all n, or few are left."""
    c = len(labels.names)
    few = max(min(c, FEW_CLASSES), c * len(labels.codes) // n)
    return Labels(labels.codes % few, labels.names[:few])


def _by_group(
    data: Embeddings, selector: PerGroup, k: int, device: torch.device, room: int
) -> tuple[float, float]:
    """Seconds before the first pick and of all picks, from groups of equal size made up."""
    n, d, most = data.matrix.n, data.matrix.d, selector.groups
    labels = data.labels or Labels(np.zeros(n, np.int64), ("all",))
    rows = np.flatnonzero(labels.codes == labels.counts().argmax())[:GROUPED_ROWS]
    points = Points(data.matrix, data.ids.key(), device, room=room).subset(rows)
    by, count = SphericalKMeans(), min(most, len(rows))
    started = time.perf_counter()
    by.codes(points, count, Rng(0), silent)
    grouping = (time.perf_counter() - started) * by.work(n, d, most) / by.work(len(rows), d, count)
    codes = labels.codes * most + np.arange(n) % most
    names = tuple(map(str, range(len(labels.names) * most)))
    alike = PerClass(method=selector.method)
    before, picking = _by_class(replace(data, labels=Labels(codes, names)), alike, k, device, room)
    return grouping + before, picking


def _by_class(
    data: Embeddings, selector: PerClass, k: int, device: torch.device, room: int
) -> tuple[float, float]:
    """Seconds before the first pick and of all picks, from one class of the usual size."""
    labels = require_labels(data)
    sizes = labels.counts()
    quotas = selector.quotas(sizes, k)
    sizes, chosen = sizes[quotas > 0], np.flatnonzero(quotas)
    usual = chosen[np.argsort(sizes, kind="stable")[len(sizes) // 2]]
    largest_first = np.sort(sizes)[::-1].tolist()
    alone, most = at_once(selector, largest_first, data.matrix.d, device)
    together = labels.counts()[usual] <= max(largest_first[alone:], default=0)
    threads = min(most, len(sizes)) if together else 1
    rows = np.flatnonzero(labels.codes == usual)
    rows = rows[: max(1, SAMPLE_BYTES // (2 * data.matrix.d * threads))]
    points = Points(data.matrix, data.ids.key(), device, room=room)
    inputs = Inputs(key=points.key, points=points, classes=labels).subset(rows, silent)
    made_up = made_up_signals(len(rows), data.matrix.d, len(labels.names), selector.needs)
    scores = np.arange(len(rows), dtype=np.float64)
    inputs = replace(inputs, signals=made_up, scores=scores)
    inputs = inputs.one_thread() if threads > 1 else inputs
    count = min(int(quotas[usual]), len(rows))

    def measure() -> list[_Run]:
        return side_by_side(
            lambda _: _run(selector.method, inputs, count),
            range(threads),
            threads,
            Tally(silent, 0, threads),
        )

    started, runs = time.perf_counter(), measure()
    # so short that what is done once shows, or kernels may have been compiled
    if time.perf_counter() - started < READ_SECONDS or far(device):
        runs = measure()
    shared = len(rows) * threads * len(runs)
    before = sum(run.before for run in runs) / shared
    pick = sum(run.pick for run in runs) / shared
    return before * float(sizes.sum()), pick * float(sizes @ (quotas[quotas > 0] - 1))


def _run(method: Selector, inputs: Inputs, k: int) -> _Run:
    """Pick until it has been measured for long enough."""
    told: list[tuple[float, int]] = []

    def progress(done: int, total: int) -> None:
        # A method that starts again tells of fewer, and one that counts other work of as many.
        most = max(done, told[-1][1]) if told else done
        told.append((time.perf_counter(), most))
        limit = PICK_SECONDS if len(told) >= FEWEST_PICKS else MOST_PICK_SECONDS
        if told[-1][0] - told[0][0] > limit:
            raise _EnoughError

    started = time.perf_counter()
    with suppress(_EnoughError):
        method.select(replace(inputs, progress=progress), k, Rng(0))
    before = (told[0][0] if told else time.perf_counter()) - started
    if not told or k == 1:
        return _Run(before, 0.0)
    if len(told) == 1:  # all picks were made in one call
        first = _run(method, inputs, 1).before
        return _Run(first, max(0.0, before - first) / (k - 1))
    # Picks grow cheaper when the first are made (rows are skipped, picks are guessed ahead), so the
    # later half speaks for the rest. What the second pick took beyond that, it takes once.
    (half, few), (last, many) = told[(len(told) - 1) // 2], told[-1]
    pick = (last - half) / max(1, many - few)
    if len(told) > 2:
        before += max(0.0, told[1][0] - told[0][0] - pick * (told[1][1] - told[0][1]))
    return _Run(max(0.0, before - pick * (told[0][1] - 1)), pick)


def _first_rows(data: Embeddings, m: int) -> Embeddings:
    """The first rows as an input of their own, with their ids and labels."""
    shards, left = [], m
    for shard in data.matrix.shards:
        shards.append(Shard(shard.name, shard.array[:left]))
        left -= len(shards[-1].array)
    rows = np.arange(m)
    return replace(
        data,
        matrix=Matrix([shard for shard in shards if len(shard.array)]),
        ids=data.ids.take(rows),
        labels=data.labels and data.labels.take(rows),
    )
