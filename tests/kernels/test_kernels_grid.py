import numpy as np
import pytest
from scipy.stats import rankdata

from coreset_cli.kernels.grid import cells_of, unit_square

HAND = np.array([(0, 0), (0.2, 0.2), (0.3, 0.1), (1, 1), (0.9, 0.6), (0.1, 0.9)])
CLOUD = np.random.default_rng(0).normal(size=(500, 2)) * [3, 1]


def test_cells_worked_by_hand():
    found = cells_of(HAND)
    assert found.axis == 4
    assert found.places.tolist() == [[0, 0], [0, 3], [1, 0], [3, 2], [3, 3]]
    assert found.codes.tolist() == [0, 0, 2, 4, 3, 1]
    assert found.sizes.tolist() == [2, 1, 1, 1, 1]
    assert found.centroids[0] == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(
    ("n", "axis"),
    [(1, 2), (6, 4), (1000, 14), (1797, 15), (10_000, 19), (50_000, 22), (73_257, 23)],
)
def test_cells_along_an_axis(n, axis):
    assert cells_of(np.zeros((n, 2))).axis == axis


def test_cells_hold_the_rows_that_are_in_them():
    square = unit_square(CLOUD, "minmax")
    found = cells_of(square)
    for cell, place in enumerate(found.places):
        inside = square[found.codes == cell]
        low, high = place / found.axis, (place + 1) / found.axis
        assert ((inside >= low - 1e-12) & (inside <= high + 1e-12)).all()
        assert found.centroids[cell] == pytest.approx(inside.mean(0))
        assert found.sizes[cell] == len(inside)
    assert found.places.tolist() == sorted(found.places.tolist())
    assert found.places.max() == found.axis - 1  # 1 is in the last cell


def test_scales():
    low, high = CLOUD.min(0), CLOUD.max(0)
    assert unit_square(CLOUD, "minmax") == pytest.approx((CLOUD - low) / (high - low))
    low, high = np.quantile(CLOUD, 0.005, axis=0), np.quantile(CLOUD, 0.995, axis=0)
    expected = (np.clip(CLOUD, low, high) - low) / (high - low)
    assert unit_square(CLOUD, "quantile") == pytest.approx(expected)
    tied = CLOUD.round(1)
    expected = (rankdata(tied, axis=0) - 1) / (len(tied) - 1)
    assert unit_square(tied, "rank") == pytest.approx(expected)


@pytest.mark.parametrize("scale", ["minmax", "quantile", "rank"])
def test_a_coordinate_of_rounding_is_none(scale):
    plane = CLOUD * [1, 1e-7]
    found = unit_square(plane, scale)
    assert found[:, 0].max() == 1
    assert not found[:, 1].any()
    assert unit_square(CLOUD * [1, 1e-4], scale)[:, 1].max() == 1
    assert not unit_square(np.full((7, 2), 3.0), scale).any()
    assert unit_square(np.ones((1, 2)), scale).tolist() == [[0, 0]]


def test_a_row_far_out_squeezes_the_others_only_where_nothing_is_clipped():
    plane = CLOUD.copy()
    plane[0] = 1e4
    assert len(cells_of(unit_square(plane, "minmax"))) == 2
    assert len(cells_of(unit_square(plane, "quantile"))) > 50
