"""Neighbourhoods filled with confidence, one pick after another."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli.kernels.points import TIE, Points

__all__ = ["filled"]

Doubles = NDArray[np.float64]


def filled(
    points: Points,
    confidence: Doubles,
    k: int,
    *,
    threshold: float,
    temperature: float,
    progress: Callable[[int, int], None],
) -> tuple[NDArray[np.int64], Doubles]:
    """Take, each time, the row whose own neighbourhood gains most confidence by itself.

    A pick gives its confidence times its similarity to every row more similar than the threshold,
    itself included; a row's gain is that of tanh(sum/temperature) were its own confidence added.

    Args:
        points: n rows at length 1; similarity is (1 + cosine)/2, and 1/2 to a row of zeros.
        confidence: [n] above 0.
        k: rows to pick.
        threshold: on similarities.
        temperature: what sums are divided by, above 0.
        progress: told of the picks.

    Returns:
        Rows in the order picked, and the gain of each when it was.
    """
    rank = points.key.rank
    given = np.zeros(points.n)
    gains = _log_gains(given, confidence, temperature)
    picks, scores = np.empty(k, np.int64), np.empty(k)
    for number in range(k):
        largest = gains.max()
        ties = np.flatnonzero(gains >= largest - TIE * abs(largest))
        pick = int(ties[rank[ties].argmin()])
        picks[number], scores[number] = pick, np.exp(largest)
        near, similarity = _near(points, pick, threshold)
        given[near] += confidence[pick] * similarity
        gains[near] = _log_gains(given[near], confidence[near], temperature)
        gains[picks[: number + 1]] = -np.inf
        progress(number + 1, k)
    return picks, scores


def _log_gains(given: Doubles, confidence: Doubles, temperature: float) -> Doubles:
    """Of each: log(tanh(a + b) − tanh(a)), by exponentials: in full neighbourhoods both are 1."""
    a, b = given / temperature, confidence / temperature
    rise = np.log(-2 * np.expm1(-2 * b)) - 2 * a
    return rise - np.log1p(np.exp(-2 * (a + b))) - np.log1p(np.exp(-2 * a))


def _near(points: Points, pick: int, threshold: float) -> tuple[NDArray[np.int64], Doubles]:
    """Rows more similar to the pick than the threshold, and how similar."""
    row = points.rows(torch.tensor([pick]))[0]
    similarity = (1 + points.each(lambda block: block @ row).cpu().numpy()) / 2
    near = np.flatnonzero(similarity > threshold)
    return near, similarity[near]
