"""Messages between neighbours: difficulty gathered forwards, and discounted around every pick.

Places are rows in the order of their ids, so that sums and ties follow the ids.

Source: Maharana, Yadav & Bansal, "D2 pruning: message passing for balancing diversity and
difficulty in data pruning", ICLR 2024, equations 3 and 4.
"""

from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from math import fsum

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

__all__ = ["EDGE_BYTES", "Graph", "gathered", "graph_of", "scale_free", "spread_picks"]

EDGE_BYTES = 120
"""Bytes that a neighbour listed by a row takes at most, while the graph is made."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Neighbours of each place, in order; every edge is listed at both of its ends.

    Args:
        starts: [n + 1] where the neighbours of each place begin.
        others: [2 e] the neighbours.
        distances: [2 e] to each.
    """

    starts: Int64[NDArray[np.int64], " n1"]
    others: Int64[NDArray[np.int64], " e"]
    distances: Float64[NDArray[np.float64], " e"]


def graph_of(
    near: Int64[NDArray[np.int64], "n m"], distances: Float64[NDArray[np.float64], "n m"]
) -> Graph:
    """The graph in which two places are neighbours where either lists the other.

    Args:
        near: [n, m] neighbours that each place lists.
        distances: [n, m] to each, the same in both directions.
    """
    n, m = near.shape
    owners, listed = np.repeat(np.arange(n), m), near.ravel()
    edges = np.concatenate([owners * n + listed, listed * n + owners])
    edges, first = np.unique(edges, return_index=True)
    starts = np.searchsorted(edges, np.arange(n + 1) * n)
    return Graph(starts, edges % max(1, n), distances.ravel()[first % max(1, n * m)])


def scale_free(
    distances: Float64[NDArray[np.float64], "n m"],
) -> Float64[NDArray[np.float64], "n m"]:
    """Distances over their median; over the mean of the positive ones where that is 0.

    All are 0 where none is positive.
    """
    positive = distances[distances > 0]
    if not len(positive):
        return np.zeros_like(distances)
    median = float(np.median(distances))
    return distances / (median or fsum(positive.tolist()) / len(positive))


def gathered(
    scores: Float64[NDArray[np.float64], " n"], graph: Graph, gamma: float
) -> Float64[NDArray[np.float64], " n"]:
    """[n] each score and those of its neighbours, times e^(−gamma·distance)."""
    owners = np.repeat(np.arange(len(scores)), np.diff(graph.starts))
    messages = np.exp(-gamma * graph.distances) * scores[graph.others]
    return scores + np.bincount(owners, weights=messages, minlength=len(scores))


def spread_picks(
    values: Float64[NDArray[np.float64], " n"], graph: Graph, gamma: float, k: int
) -> tuple[Int64[NDArray[np.int64], " k"], Float64[NDArray[np.float64], " k"]]:
    """Pick the largest value k times; each pick takes from its neighbours what they share with it.

    A pick of value u takes e^(−gamma·distance)·u from each neighbour, and nothing where u is not
    positive: values only fall, so a heap of values that may be out of date finds the largest.

    Args:
        values: [n] of each place.
        graph: of places.
        gamma: how fast what is taken fades with the distance.
        k: picks.

    Returns:
        The places in the order picked, ties to the smaller one; and the value of each by then.
    """
    shares = np.exp(-gamma * graph.distances)
    now = values.tolist()
    heap = [(-value, place) for place, value in enumerate(now)]
    heapify(heap)
    picks: list[int] = []
    found: list[float] = []
    while len(picks) < k:
        value, place = heap[0]
        if -value != now[place]:
            heapreplace(heap, (-now[place], place))
            continue
        heappop(heap)
        picks.append(place)
        found.append(-value)
        if value < 0:
            edges = slice(graph.starts[place], graph.starts[place + 1])
            taken = (shares[edges] * value).tolist()
            for other, less in zip(graph.others[edges].tolist(), taken, strict=True):
                now[other] += less
    return np.array(picks, np.int64), np.array(found)
