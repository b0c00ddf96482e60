"""Roads to fewer bytes a pick: what each saves.

Counted, not timed, so that the figures are the same on every machine. All are exact: a row may be
passed over only where a bound proves that it is not the next pick.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import heading, row, table
from setup import Setup
from vectors import clouds, inputs_of

from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.fixed import fixed

__all__ = ["measure"]

PICKS = 160
STALE = 8
"""Picks for which a score is not computed anew."""

POOL, ROUNDS = 128, 32
"""Rows that join the pool before a pass, and for how many passes they stay."""

GUESSES = 8

REAL = ("clip-text-2148x512.npy", "cifar10-resnet56-64-train.npy")
ROWS = 8_000


def measure(setup: Setup) -> None:
    """Print one table."""
    heading(
        "Roads to fewer bytes a pick",
        f"Matching by l2, {PICKS} picks. The first three columns are the share of rows that still "
        "have to be read in full for a pick: after scores from the upper byte of every value, with "
        "the lower byte bounded by Cauchy and Schwarz; after the bound 2‖θ‖‖y‖ − ‖y‖² from the "
        f"norm alone; after scores that are {STALE} picks old, with the change of θ bounded "
        "likewise. None of these is taken. The last is, for rows beyond the cache: how many of "
        f"{GUESSES} picks guessed in a pool of rows that led lately ({POOL} a pass, kept for "
        f"{ROUNDS}) turn out right, so that one pass serves all of them.",
    )
    table(("rows", "upper byte", "norm", "stale", "picks a pass"))
    for name, array in _sets():
        values, target = _grid(array)
        shares = _screened(values, target)
        row(name, *(f"{share:.0%}" for share in shares), f"{_guessed(values, target):.1f}")
    print()


def _sets() -> Iterator[tuple[str, NDArray[np.floating]]]:
    for n, d in ((ROWS, 128), (ROWS // 2, 1280)):
        yield f"clouds {n:,} × {d}", clouds(n, d)
    if folder := os.environ.get("CORESET_TEST_DATA"):
        for name in REAL:
            array = np.load(Path(folder, "embeddings", name))[:ROWS]
            yield f"{Path(name).stem.removesuffix('-train')} {len(array):,}", array


def _grid(array: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = fixed(inputs_of(array).embeddings)
    values = points.rows.values.numpy() * points.powers.numpy()[:, None]
    return values, points.grid.inside(geometric_median(points).point).numpy()


def _screened(y: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the rows left by each bound, mean over the picks."""
    squares, norms = (y**2).sum(1), np.linalg.norm(y, axis=1)
    upper = 256 * np.round(y / 256)
    lower = np.linalg.norm(y - upper, axis=1)
    theta, left = target.copy(), np.zeros(len(y))
    shares = np.empty((PICKS, 3))
    for step in range(PICKS):
        if step % STALE == 0:
            old, stale = theta, y @ theta
        score = 2 * y @ theta - squares + left
        best, size = int(score.argmax()), np.linalg.norm(theta)
        bounds = (
            upper @ theta + size * lower,
            size * norms,
            stale + np.linalg.norm(theta - old) * norms,
        )
        shares[step] = [np.mean(2 * b - squares + left >= score[best]) for b in bounds]
        left[best] = -np.inf
        theta = theta + target - y[best]
    return shares.mean(0)


def _guessed(y: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Picks that a pass confirms, mean over the passes."""
    squares, run, left = (y**2).sum(1), y @ target, np.zeros(len(y))
    pull = run.copy()
    leaders: list[NDArray[np.int64]] = []
    done = passes = 0
    while done < PICKS:
        score = 2 * run - squares + left
        leaders = [*leaders, np.argpartition(-score, POOL)[:POOL]][-ROUNDS:]
        pool = np.unique(np.concatenate(leaders))
        for _ in range(GUESSES):
            score = 2 * run - squares + left
            guess = pool[score[pool].argmax()]
            if score[guess] < score.max():
                break
            left[guess] = -np.inf
            run = run + pull - y @ y[guess]
            done += 1
        passes += 1
    return done / passes
