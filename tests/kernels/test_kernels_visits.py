"""Visits of random places, against the algorithm draw by draw in NumPy."""

import numpy as np
import pytest
from clouds import ignore, points_of
from scipy.stats import kstest, triang

from coreset_cli.errors import DoesNotFit
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.machine_visits import VISITS
from coreset_cli.kernels.visits import ONE, drawn_places, visits
from coreset_cli.seeds import Rng


def after(columns, dimensions, places, few, threads=1):
    columns = np.array(columns, np.int16)
    scores = np.zeros((threads, columns.shape[1]), np.int64)
    at = np.array(places, np.float32)
    dims = np.array(dimensions, np.int64)
    VISITS[threads > 1](columns, np.ones(columns.shape[1], np.float32), dims, at, few, ONE, scores)
    return scores.sum(0) / ONE


def by_numpy(columns, dimensions, places, few):
    scores = np.zeros(columns.shape[1])
    for dims, at in zip(dimensions, places, strict=True):
        values = columns[dims].astype(float)
        hit = np.abs(values - at[:, None]).sum(0).argmin()
        scores[hit] += 1
        away = np.abs(values - values[:, [hit]]).sum(0)
        away[hit] = np.inf
        near = np.argsort(away, kind="stable")[:few]
        if away[near[0]] == 0:
            scores[near[0]] -= 1
        else:
            weights = away[near] ** -4.0
            scores[near] -= weights / weights.sum()
    return scores


def test_one_step_by_hand():
    """x = 0, 1, 2, 4 and a place at 1.2: row 1 gains 1, rows 0 and 2, equally near, lose ½ each."""
    found = after([[0, 10, 20, 40]], [[0, -1]], [[12, 0]], 2)
    assert found.tolist() == [-0.5, 1, -0.5, 0]


def test_of_equally_near_neighbours_the_first_lose():
    assert after([[0, 10, 20, 30]], [[0, -1]], [[11, 0]], 1).tolist() == [-1, 1, 0, 0]


def test_a_copy_loses_all():
    assert after([[5, 9, 9, 9, 10]], [[0, -1]], [[9, 0]], 4).tolist() == [0, 1, -1, 0, 0]


@pytest.mark.parametrize(("n", "few"), [(40, 1), (40, 39), (900, 30), (2000, 1)])
def test_is_ten_lines_of_numpy(n, few):
    rng = np.random.default_rng(n)
    columns = rng.normal(scale=3000, size=(5, n)).round().astype(np.int16)
    dims = np.array([rng.choice(5, 2, replace=False) for _ in range(60)])
    places = np.rint(rng.normal(scale=3000, size=(60, 2)))
    found = after(columns, dims, places, few)
    assert found == pytest.approx(by_numpy(columns, dims, places, few), abs=1e-5)
    assert found.sum() == pytest.approx(0, abs=1e-4)
    assert after(columns, dims, places, few, threads=3).tolist() == found.tolist()


def test_places_are_triangular_in_two_coordinates():
    rng = np.random.default_rng(0)
    columns = rng.gamma(2.0, 1000, size=(4, 301)).round().astype(np.int16)
    columns[2] = 7
    found = drawn_places(columns, np.ones(301, np.float32), 4000, Rng(0))
    assert set(found.dimensions.ravel()) == {0, 1, 3}
    assert (found.dimensions[:, 0] != found.dimensions[:, 1]).all()
    pairs = np.unique(found.dimensions, axis=0, return_counts=True)[1]
    assert len(pairs) == 6
    assert pairs == pytest.approx(4000 / 6, rel=0.15)
    for dimension in (0, 1, 3):
        for side in (0, 1):
            drawn = found.places[found.dimensions[:, side] == dimension, side]
            low, high = columns[dimension].min(), columns[dimension].max()
            peak = (np.median(columns[dimension]) - low) / (high - low)
            assert kstest(drawn, triang(peak, low, high - low).cdf).pvalue > 1e-4


def test_one_coordinate_and_none():
    one = drawn_places(np.int16([[1, 5, 9], [2, 2, 2]]), np.ones(3, np.float32), 20, Rng(0))
    assert one.dimensions.tolist() == [[0, -1]] * 20
    assert len(drawn_places(np.int16([[4, 4]]), np.ones(2, np.float32), 20, Rng(0)).places) == 0


def test_order_of_rows_changes_nothing():
    rows = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32)
    rows[::9] *= 1e6
    ids = np.arange(70) * 5
    order = np.random.default_rng(1).permutation(70)
    found = visits(fixed(points_of(rows, ids)), 300, 20, Rng(4), ignore)
    again = visits(fixed(points_of(rows[order], ids[order])), 300, 20, Rng(4), ignore)
    assert again.tolist() == found[order].tolist()
    assert found.sum() / ONE == pytest.approx(35, abs=8)  # what 70 rows start with


def test_too_little_memory_is_said():
    points = points_of(np.zeros((10, 8), np.float32))
    points.room = 100
    with pytest.raises(DoesNotFit, match="--max-memory"):
        visits(fixed(points), 5, 3, Rng(0), ignore)
