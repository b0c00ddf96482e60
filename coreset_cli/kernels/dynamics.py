"""Scores of the history of a training: how each row was learned, epoch after epoch.

Histories are [n, e], NaN where a row was not shown in an epoch.
"""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import FloatArray
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.kernels.rowwise import rowwise

__all__ = ["forgetting_events", "history_mean", "temporal_depth", "window_spread"]

Doubles = NDArray[np.float64]


def forgetting_events(correct: NDArray[np.bool_], shown: NDArray[np.bool_]) -> Doubles:
    """[n] how often a row that was right became wrong; ∞ for rows that were never right.

    Args:
        correct: [n, e] right in the epoch.
        shown: [n, e] shown in the epoch; others are passed over.
    """
    n, e = correct.shape
    events, was, ever = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
    for epoch in range(e):
        now, there = correct[:, epoch], shown[:, epoch]
        events += was & ~now & there
        was = np.where(there, now, was)
        ever |= now & there
    return np.where(ever, events, np.inf)


def history_mean(values: FloatArray) -> Doubles:
    """[n] mean over the epochs a row was shown in.

    Raises:
        NotFinite: a row was never shown.
    """
    _require_shown((~np.isnan(values)).sum(1) > 0, "never")
    return rowwise(lambda some: np.nanmean(some, axis=1, dtype=np.float64), values)


def window_spread(p_true: FloatArray, window: int, *, by_difficulty: bool) -> Doubles:
    """[n] mean over all windows of the deviation (n − 1) of the label's probability.

    Args:
        p_true: [n, e] without gaps.
        window: epochs of a window, 2 or more.
        by_difficulty: each deviation times 1 − the mean of its window.

    Raises:
        InvalidParameter: fewer epochs than a window.
        NotFinite: a row was not shown in some epoch.
    """
    starts = _windows(p_true, window, least=2)

    def part(some: FloatArray) -> Doubles:
        p = some.astype(np.float64)
        total = np.zeros(len(p))
        for start in starts:
            inside = p[:, start : start + window]
            spread = inside.std(axis=1, ddof=1)
            total += spread * (1 - inside.mean(1)) if by_difficulty else spread
        return total / len(starts)

    return rowwise(part, p_true)


def temporal_depth(drift: FloatArray, window: int, decay: float) -> Doubles:
    """[n] how unsteadily the prediction moved, late windows counting most.

    The root of the summed squared deviations of the drift inside each window, averaged over windows
    with weights β(1 − β)^age.

    Args:
        drift: [n, e] of each epoch from the one before; the first column is not read.
        window: epochs of a window, so it has one value fewer; 3 or more.
        decay: β, in (0, 1].

    Raises:
        InvalidParameter: fewer epochs than a window.
        NotFinite: a row was not shown in some epoch.
    """
    moved = drift[:, 1:]
    starts = _windows(moved, window - 1, least=2)

    def part(some: FloatArray) -> Doubles:
        values = some.astype(np.float64)
        total = np.zeros(len(values))
        for start in starts:
            inside = values[:, start : start + window - 1]
            depth = np.sqrt(((inside - inside.mean(1, keepdims=True)) ** 2).sum(1))
            total += decay * (1 - decay) ** (starts[-1] - start) * depth
        return total

    return rowwise(part, moved)


def _windows(values: FloatArray, width: int, *, least: int) -> range:
    """First column of each window.

    Raises:
        InvalidParameter: the windows are too narrow, or wider than the history.
        NotFinite: there are gaps.
    """
    e = values.shape[1]
    if not least <= width <= e:
        raise InvalidParameter(
            f"windows of {width} values do not fit a history of {e} (at least {least}); set a "
            "smaller window, or record more epochs, as with --signals probe:epochs=60"
        )
    _require_shown(np.isnan(values).sum(1) == 0, "not in every epoch")
    return range(e - width + 1)


def _require_shown(fine: NDArray[np.bool_], how: str) -> None:
    if not fine.all():
        raise NotFinite(
            f"{int((~fine).sum())} of {len(fine)} rows were {how} shown in the training; record "
            "signals of a loop that leaves no row out"
        )
