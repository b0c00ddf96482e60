"""The majority of rows: brute force over the centres tried, and corruption up to its breakdown."""

import numpy as np
import pytest
import torch
from clouds import median_of, points_of

from coreset_cli.kernels.majority import (
    STARTS,
    claimed_by_all,
    claimed_by_class,
    majority_centre,
)

REACH = 4.0


def claimed(points, codes, reach):
    use = np.ones(points.n, bool)
    near = claimed_by_all(points, codes, use, reach)
    return near if codes is None else claimed_by_class(points, codes, near, use, reach)


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def corrupted(kind, radii, *, share=0.45, n=600, d=64, seed=0):
    """Rows, and which of them were moved by so many usual distances from the middle."""
    rng = np.random.default_rng(seed)
    rows = cloud(n, d, seed)
    bad = np.zeros(n, bool)
    bad[rng.permutation(n)[: int(share * n)]] = True
    usual = np.median(np.linalg.norm(rows, axis=1))
    way = rng.normal(size=(bad.sum(), d))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    if kind == "scatter":
        rows[bad] = radii * usual * way
    elif kind == "cluster":
        rows[bad] = radii * usual * way[0] + 0.1 * rows[bad]
    else:
        rows[bad] += radii * usual * way[0]
    return rows, bad


def test_the_best_of_the_centres_tried():
    rows, _ = corrupted("shift", 2, n=61, d=3)
    here = points_of(rows)
    tried = [median_of(here).point.numpy()]
    for row in np.argsort(here.key.hash)[:STARTS]:
        order = np.argsort(np.linalg.norm(rows - rows[row], axis=1), kind="stable")
        tried.append(rows[order[:31]].mean(0, dtype=np.float64))
    best = min(np.median(np.linalg.norm(rows - one, axis=1)) for one in tried)
    centre, distances = majority_centre(here)
    np.testing.assert_allclose(
        distances, np.linalg.norm(rows - centre.numpy(), axis=1), rtol=1e-9, atol=1e-9
    )
    assert np.median(distances) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("kind", ["cluster", "shift", "scatter"])
@pytest.mark.parametrize("radii", [2, 3, 10])
def test_nearly_half_of_the_rows_may_be_far(kind, radii):
    rows, bad = corrupted(kind, radii)
    found = claimed(points_of(rows), None, REACH)
    assert not found[bad].any()
    assert found[~bad].mean() > 0.97


@pytest.mark.parametrize("kind", ["cluster", "shift", "scatter"])
def test_inside_classes_too(kind):
    rows, bad = corrupted(kind, 3, n=1200)
    codes = np.random.default_rng(5).integers(0, 3, 1200)
    found = claimed(points_of(rows), codes, REACH)
    assert not found[bad].any()
    assert found[~bad].mean() > 0.97


@pytest.mark.parametrize("sizes", [(950, 50), (1980, 20), (600, 300, 100)])
def test_a_class_that_lies_apart_is_a_class(sizes):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rows = cloud(len(codes), 16) + 30 * codes[:, None].astype(np.float32)
    assert claimed(points_of(rows), codes, REACH).mean() > 0.97
    alone = claimed(points_of(rows), None, REACH)
    assert not alone[codes == len(sizes) - 1].any()  # without labels it is far


def test_a_row_far_from_its_own_class_alone():
    """Among all rows it is at a usual distance."""
    codes = np.arange(400) % 2
    rows = 0.1 * cloud(400, 8) + np.where(codes == 0, -5, 5)[:, None].astype(np.float32)
    rows[7] = 0
    found = claimed(points_of(rows), codes, REACH)
    assert np.flatnonzero(~found).tolist() == [7]
    assert claimed_by_all(points_of(rows), codes, np.ones(400, bool), REACH)[7]


def test_reach_decides_how_far():
    rows = cloud(500, 4)
    here = points_of(rows)
    shares = [claimed(here, None, reach).mean() for reach in (0.5, 1.0, 2.0, 4.0)]
    assert shares == sorted(shares)
    assert shares[0] < 0.9
    assert shares[-1] > 0.99


@pytest.mark.parametrize("scale", [1e-18, 1, 1e15])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_rows_are_claimed_at_any_scale(scale, value):
    rows = np.full((50, 3), value * scale, np.float32)
    assert claimed(points_of(rows), None, REACH).all()
    rows[3] += np.float32(scale)  # all others are at one place: nothing else is near
    assert np.flatnonzero(~claimed(points_of(rows), None, REACH)).tolist() == [3]


def test_few_rows_have_no_majority():
    rows = np.float32([[0], [0], [1000]])
    assert claimed(points_of(rows), np.array([0, 0, 0]), REACH).all()


def test_a_class_without_rows_does_no_harm():
    assert claimed(points_of(cloud(40, 2)), np.arange(40) % 2 * 3, REACH).any()


def test_distances_lose_nothing_to_a_far_origin():
    rows = (cloud(300, 8).astype(np.float64) + 1e4).astype(np.float32)
    centre, distances = majority_centre(points_of(rows))
    exact = np.linalg.norm(rows.astype(np.float64) - centre.numpy(), axis=1)
    np.testing.assert_allclose(distances, exact, rtol=1e-9)
    assert centre.dtype == torch.float64


def test_a_majority_is_made_of_the_rows_that_are_used():
    """Three of four rows are in one place; used once, they are one row among many."""
    rows = np.vstack([cloud(100, 4), np.full((300, 4), 50, np.float32)])
    assert not claimed(points_of(rows), None, REACH)[:100].any()
    use = np.arange(400) <= 100
    for codes in (None, np.zeros(400, int)):
        found = claimed_by_all(points_of(rows), codes, use, REACH)
        assert found[:100].all()
        assert codes is not None or not found[100:].any()
    near = np.ones(400, bool)
    inside = claimed_by_class(points_of(rows), np.zeros(400, int), near, use, REACH)
    assert (inside == (np.arange(400) < 100)).all()
