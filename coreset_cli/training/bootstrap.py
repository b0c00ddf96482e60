"""How far a result could lie from what was measured, had other test rows and seeds been drawn.

Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 8 (paired data) and 13
(percentile intervals).
Cost: O(resamples · (t + t·m)) time for t test rows and m runs, a fixed amount of memory.
Deviates: few seeds make the spread over seeds too small, by (s − 1)/s in the variance.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Resampled", "interval_of", "resample"]

RESAMPLES = 2000
CHUNK_NUMBERS = 4 << 20
"""Counts held at a time."""

LEVEL = 0.95


class Resampled:
    """Accuracy of every run on every resample of the test rows.

    Args:
        accuracy: [resamples, m] one column a run; row i is one draw of test rows for all runs.
        seed: of the draws of seeds.
    """

    def __init__(self, accuracy: NDArray[np.float64], seed: int) -> None:
        self.accuracy = accuracy
        self.seed = seed

    def mean(self, runs: Sequence[int], name: str) -> NDArray[np.float64]:
        """[resamples] mean accuracy of some runs, the runs themselves drawn again.

        Args:
            runs: columns of the runs of one cell, one a seed.
            name: of the cell: the same name, the same draws of seeds.
        """
        columns = self.accuracy[:, list(runs)]
        m = len(runs)
        drawn = _generator(self.seed, f"seeds {name}").multinomial(m, [1 / m] * m, len(columns))
        return (columns * drawn).sum(1) / m


def resample(correct: NDArray[np.bool_], order: NDArray[np.int64], seed: int) -> Resampled:
    """Draw test rows with replacement, the same rows for all runs.

    Args:
        correct: [m, t] whether each run is right on each test row.
        order: [t] the test rows in an order of their own, so that the file's does not matter.
        seed: of the draws.
    """
    right = correct[:, order].T.astype(np.float64)
    t = len(right)
    generator = _generator(seed, "test rows")
    step = max(1, CHUNK_NUMBERS // t)
    parts = []
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = generator.integers(0, t, (rows, t)) + t * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * t).reshape(rows, t)
        parts.append(counts.astype(np.float64) @ right / t)
    return Resampled(np.concatenate(parts), seed)


def interval_of(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """The middle 95 % of the resamples; nothing where they do not vary: that is no certainty."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail]).tolist()
    return None if high - low < 1e-12 else (low, high)


def _generator(seed: int, purpose: str) -> np.random.Generator:
    salt = blake2b(f"{seed}\0bootstrap {purpose}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(salt, "little"))
