import math
from itertools import combinations

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, ignore, points_of
from grids import lifted, rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed


def traversal(points, k, first):
    cloud = fixed(points)
    return farthest_first(cloud, k, cloud.best(first, 0.0), ignore)


def test_hand_worked():
    picks, radii = traversal(points_of([[0], [1], [2], [3], [10]]), 5, 0)
    assert picks == [0, 4, 3, 1, 2]
    assert radii.tolist() == [torch.inf, 10, 3, 1, 1]  # of a pick; what is left is covered below it


@given(n=st.integers(2, 10), d=st.integers(1, 3), seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=40, deadline=None)
def test_within_twice_the_best_radius(n, d, seed, data):
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    k, first = data.draw(st.integers(1, n)), data.draw(st.integers(0, n - 1))
    picks, radii = traversal(points_of(rows), k, first)
    between = cdist(rows.astype(float), rows.astype(float))
    best = min(between[:, chosen].min(1).max() for chosen in map(list, combinations(range(n), k)))
    off = 2 * rounding(points_of(rows)).max()  # both ends of a distance are rounded
    assert between[:, picks].min(1).max() <= 2 * best + 3 * off
    for t in range(1, k):
        assert radii[t] == pytest.approx(between[:, picks[:t]].min(1).max(), abs=off)
    assert all(radii[1:-1] >= radii[2:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "d"), [(300, 4), (90, 600)])
def test_equals_a_traversal_without_skipping(kind, n, d):
    """Of the rows as rounded, in Python's integers: every pick, ties by id, and every radius."""
    data = points_of(drawn(kind, n, d), ids=np.random.default_rng(n).permutation(n))
    rows, k = fixed(data), 12
    exact, rank = lifted(rows.rows), data.key.rank
    picks, radii = traversal(data, k, 3)
    nearest, left = np.full(n, None), set(range(n))
    for t, pick in enumerate(picks):
        left.remove(pick)
        away = ((exact - exact[pick]) ** 2).sum(1)
        nearest = away if t == 0 else np.minimum(nearest, away)
        if t + 1 < k:
            best = max(nearest[i] for i in left)
            assert radii[t + 1] * 2.0**rows.grid.step == pytest.approx(math.sqrt(best), rel=1e-7)
            if not rows.rows.lifts.any():  # distances of the others are rounded
                assert picks[t + 1] == min(left, key=lambda i: (-nearest[i], rank[i]))


def test_repeated_rows_come_last_and_by_id():
    rows = np.repeat(np.float32([[0.1, 7], [0.3, 1e4]]), 3, axis=0)
    for data in (points_of(rows), points_of(rows).unit()):
        picks, radii = traversal(data, 6, 1)
        assert picks == [1, 3, 0, 2, 4, 5]
        assert radii[2:].tolist() == [0] * 4


def test_neighbours_far_from_the_origin_are_told_apart():
    rows = np.float32([[4096], [4096.0005], [4096.0015], [4096.004]])
    assert traversal(points_of(rows), 4, 0)[0] == [0, 3, 2, 1]
