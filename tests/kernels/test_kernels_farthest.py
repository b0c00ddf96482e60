from itertools import combinations

import numpy as np
import pytest
import torch
from clouds import ignore, points_of
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
    assert between[:, picks].min(1).max() <= 2 * best + 1e-9
    for t in range(1, k):
        assert radii[t] == pytest.approx(between[:, picks[:t]].min(1).max(), abs=1e-9)
    assert all(radii[1:-1] >= radii[2:])


def test_repeated_rows_come_last_and_by_id():
    rows = np.repeat(np.float32([[0.1, 7], [0.3, 1e4]]), 3, axis=0)
    for data in (points_of(rows), points_of(rows).unit()):
        picks, radii = traversal(data, 6, 1)
        assert picks == [1, 3, 0, 2, 4, 5]
        assert radii[2:] == pytest.approx(0, abs=1e-15)


def test_neighbours_far_from_the_origin_are_told_apart():
    rows = np.float32([[4096], [4096.0005], [4096.0015], [4096.004]])
    assert traversal(points_of(rows), 4, 0)[0] == [0, 3, 2, 1]
