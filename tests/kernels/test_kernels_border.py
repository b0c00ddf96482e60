import numpy as np
import pytest
from clouds import drawn, points_of
from grids import held

from coreset_cli.kernels.border import farthest_of_each, supported
from coreset_cli.kernels.fixed import fixed


@pytest.mark.parametrize("kind", ["isotropic", "far", "offset"])
def test_rows_farthest_from_their_mean(kind):
    points = points_of(drawn(kind, 90, 5))
    groups = [np.arange(0, 50), np.arange(50, 52), np.arange(52, 53), np.arange(53, 90)]
    found = farthest_of_each(fixed(points), groups, 2)
    values = held(points)
    for rows, mine in zip(groups, found, strict=True):
        away = np.linalg.norm(values[rows] - values[rows].mean(0), axis=1)
        farthest = rows[np.argsort(-away, kind="stable")] if len(rows) > 2 else rows
        assert mine.tolist() == farthest[:2].tolist()


def test_equally_far_rows_stay_in_their_order():
    points = fixed(points_of([[0.0, 0], [2, 0], [0, 0], [2, 0]]))
    assert farthest_of_each(points, [np.array([3, 2, 1, 0])], 3)[0].tolist() == [3, 2, 1]


def test_two_rows_are_as_far_from_their_mean():
    pairs = np.random.default_rng(0).permutation(90).reshape(-1, 2)
    found = farthest_of_each(fixed(points_of(drawn("farther", 90, 5))), list(pairs), 2)
    assert np.array(found).tolist() == pairs.tolist()


@pytest.mark.parametrize(
    ("first", "most", "least", "rows", "support"),
    [
        (2, 2, 4, [5, 3, 1, 4], [0, 0, 1, 1]),  # 3 is core already
        (2, 9, 2, [5, 3, 1, 4], [0, 0, 1, 1]),  # what comes beside is not counted
        (2, 1, 3, [5, 3, 1], [0, 0, 1]),
        (1, 5, 6, [5, 3, 1, 4, 2, 0], [0, 1, 1, 1, 0, 0]),  # too few: more of the core
        (6, 2, 6, [5, 3, 1, 2, 4, 0], [0] * 6),
    ],
)
def test_core_rows_then_border_rows(first, most, least, rows, support):
    core, border = np.array([5, 3, 1, 2, 4, 0]), np.array([3, 1, 4])
    found, marks = supported(core, border, first, most, least)
    assert found.tolist() == rows
    assert marks.tolist() == [bool(mark) for mark in support]
