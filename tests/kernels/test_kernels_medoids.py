"""Medoids worked by hand."""

import numpy as np
import pytest
from clouds import ids_of, ignore
from snapshots import vectors

from coreset_cli.kernels.medoids import Search, mean_distance, medoids
from coreset_cli.kernels.memo import FORGETFUL
from coreset_cli.seeds import Rng

LINE = vectors([[0], [1], [2], [3], [10], [11], [12]])


def centred(matrices, farthest, k, neighbours=0):
    return medoids(
        matrices.distances,
        farthest,
        k,
        search=Search(optimizer="lazy", epsilon=0.1, neighbours=neighbours),
        key=ids_of(matrices.n).key(),
        rng=Rng(0),
        progress=ignore,
        memo=FORGETFUL,
    )


@pytest.mark.parametrize("farthest", [12.0, 24.0, 1e6])
def test_hand_worked_medoids(farthest):
    found = centred(LINE, farthest, 2)
    assert found.rows.tolist() == [3, 5]
    assert found.sizes.tolist() == [4, 3]
    assert found.distance == pytest.approx(8 / 7, rel=1e-3)


def test_with_neighbours_rows_are_served_by_the_nearest():
    found = centred(LINE, 12.0, 2, neighbours=3)
    assert found.rows.tolist() == [1, 5]  # each serves the three rows that keep it
    assert found.sizes.sum() == 7


def test_mean_distance_is_that_of_the_pairs(monkeypatch):
    monkeypatch.setattr("coreset_cli.kernels.medoids.ROWS_AT_ONCE", 3)
    values = LINE.right[:, 0]
    pairs = [abs(a - b) for i, a in enumerate(values) for b in values[:i]]
    assert mean_distance(LINE.distances, 7) == pytest.approx(np.mean(pairs))
    assert mean_distance(vectors([[3]]).distances, 1) == 0
