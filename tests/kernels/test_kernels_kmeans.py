"""Spherical k-means: against Lloyd's rounds in NumPy from the same start, and scikit-learn."""

import numpy as np
import pytest
import torch
from clouds import points_of
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from coreset_cli.kernels import kmeans as module
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.kmeans import best_of_starts, divergences, spherical_kmeans
from coreset_cli.seeds import Rng, derived_seed


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def blobs(n=300, d=8, count=6, seed=0, spread=0.15):
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(count, d)))
    true = rng.integers(0, count, n)
    return (centres[true] + spread * rng.normal(size=(n, d))).astype(np.float32), true


def clustered(rows, count, seed=0, ids=None, **options):
    points = points_of(np.asarray(rows, np.float32), ids).unit()
    return points, spherical_kmeans(fixed(points), count, Rng(seed), **options)


def lloyd(rows, centres):
    """Spherical k-means in ten lines; no cluster ever empties here."""
    codes = None
    while True:
        found = (rows @ centres.T).argmax(1)
        if codes is not None and (found == codes).all():
            return codes, centres
        codes = found
        centres = unit([rows[codes == c].sum(0) for c in range(len(centres))])


@pytest.mark.parametrize("seed", range(4))
def test_is_lloyds_rounds_from_the_same_start(seed):
    rows, _ = blobs(seed=seed, spread=0.4)
    start = clustered(rows, 6, seed, most_rounds=0)[1].centres.numpy()
    codes, centres = lloyd(unit(rows), start)
    _, found = clustered(rows, 6, seed)
    assert found.converged
    assert (found.codes.numpy() == codes).mean() > 0.99  # the grid may decide a row at a border
    assert np.abs(found.centres.numpy() - centres).max() < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_the_inertia_is_no_worse_than_scikit_learns_from_the_same_start(seed):
    """On the sphere 2·Σ (1 − cos) to a centre at length 1 exceeds Σ of squares to a mean."""
    rows, _ = blobs(seed=seed, spread=0.3)
    start = clustered(rows, 6, seed, most_rounds=0)[1].centres.numpy()
    theirs = KMeans(6, init=start, n_init=1, max_iter=100).fit(unit(rows))
    points, found = clustered(rows, 6, seed)
    ours = sum(
        np.square(unit(rows)[mine] - unit(rows)[mine].mean(0)).sum()
        for mine in (found.codes.numpy() == c for c in range(6))
    )
    assert ours <= 1.02 * theirs.inertia_
    centres = unit([unit(rows)[found.codes.numpy() == c].sum(0) for c in range(6)])
    cosines = (unit(rows) * centres[found.codes]).sum(1)
    assert divergences(points, found).numpy() == pytest.approx(1 - cosines, abs=1e-8)


def test_blobs_are_found():
    rows, true = blobs(n=400, spread=0.05, seed=3)
    assert max(adjusted_rand_score(true, clustered(rows, 6, s)[1].codes) for s in range(3)) == 1


def test_starts_are_rows_drawn_by_their_distance():
    """Two far groups of 300 and 2 rows: the second start nearly always lies in the other group."""
    rows = np.float32([[1, 0]] * 300 + [[0, 1]] * 2)
    for seed in range(8):
        start = clustered(rows, 2, seed, most_rounds=0)[1].centres
        assert sorted(start.round().tolist()) == [[0, 1], [1, 0]]


def test_second_starts_follow_one_minus_cosine():
    """From the row at 0°, rows at 60° and 180° have weights ½ and 2: drawn 1 : 4."""
    angles = np.radians([0, 60, 180])
    rows = np.stack([np.cos(angles), np.sin(angles)], 1)
    second = []
    for seed in range(600):
        start = clustered(rows, 2, seed, most_rounds=0)[1].centres.numpy()
        if start[0, 0] > 0.9:
            second.append(start[1, 0] < 0)
    assert len(second) > 150
    assert np.mean(second) == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / len(second)))


def test_order_blocks_and_lengths_change_nothing(monkeypatch):
    rows, _ = blobs(seed=5, spread=0.5)
    ids = np.arange(len(rows)) * 7
    points, expected = clustered(rows, 9, 2, ids)
    order = np.random.default_rng(1).permutation(len(rows))
    monkeypatch.setattr(module, "BLOCK_VALUES", 64)
    again_points, again = clustered(8 * rows[order], 9, 2, ids[order])
    assert torch.equal(again.codes, expected.codes[torch.from_numpy(order)])
    assert torch.equal(again.centres, expected.centres)
    away = divergences(points, expected)[torch.from_numpy(order)]
    assert torch.equal(divergences(again_points, again), away)


def test_as_many_clusters_as_rows():
    rows = np.random.default_rng(0).normal(size=(20, 5))
    points, found = clustered(rows, 20)
    assert sorted(found.codes.tolist()) == list(range(20))
    assert divergences(points, found).max() < 1e-12


def test_more_clusters_than_different_rows():
    points, found = clustered([[1, 2]] * 5 + [[2, 1]] * 4, 6)
    assert len(set(found.codes.tolist())) == 6
    assert found.converged
    assert divergences(points, found).max() < 1e-12


def test_an_empty_cluster_takes_the_row_of_least_cosine():
    points = points_of(np.float32([[1, 0], [1, 0.1], [1, 0.2], [0, 1]])).unit()
    codes, cosines = torch.tensor([0, 0, 0, 2]), torch.tensor([0.9, 0.5, 0.7, 0.1]).double()
    found = module._refilled(fixed(points), codes, cosines, 4)
    assert found.tolist() == [0, 1, 3, 2]  # the last row would leave its cluster empty


def test_opposite_rows_have_no_centre():
    points, found = clustered([[1, 2], [-1, -2]], 1)
    assert found.converged
    assert sorted(divergences(points, found).tolist()) == pytest.approx([0, 2], abs=1e-6)


def test_a_pair_is_as_far_from_its_centre():
    angle = np.radians(50)
    points, found = clustered([[1, 0], [np.cos(angle), np.sin(angle)]], 1)
    first, second = divergences(points, found).tolist()
    assert first == second == pytest.approx(1 - np.cos(angle / 2), abs=1e-7)


def test_rows_without_direction():
    points, found = clustered([[0, 0], [1, 0], [1, 0.1], [0, 0], [0.9, 0.1]], 1)
    away = divergences(points, found).numpy()
    assert away[[0, 3]].tolist() == [1, 1]
    assert away[[1, 2, 4]].max() < 0.01
    points, found = clustered(np.zeros((4, 2)), 2)
    assert divergences(points, found).tolist() == [1, 1, 1, 1]


def cosines(points, found):
    """Sum over the clusters of the length of their rows' sum: what the rounds make large."""
    rows = points.rows(torch.arange(points.n)).numpy()
    codes = found.codes.numpy()
    return sum(np.linalg.norm(rows[codes == place].sum(0)) for place in np.unique(codes))


def test_of_several_starts_the_best_is_kept():
    rows, _ = blobs(n=200, count=9, spread=0.4)
    points = points_of(rows).unit()
    values = [
        cosines(points, best_of_starts(fixed(points), 9, Rng(seed), starts=1)) for seed in range(6)
    ]
    assert len({round(value, 6) for value in values}) > 1  # one start is no group to rely on
    told = []
    best = best_of_starts(
        fixed(points), 9, Rng(0), starts=4, progress=lambda *done: told.append(done)
    )
    each = [
        spherical_kmeans(fixed(points), 9, Rng(derived_seed(0, f"k-means, start {number}")))
        for number in range(4)
    ]
    assert cosines(points, best) == pytest.approx(max(cosines(points, one) for one in each))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
