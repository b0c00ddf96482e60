"""Copies of rows, against a dictionary of their bytes."""

import numpy as np
import pytest
from clouds import points_of

from coreset_cli.kernels import points
from coreset_cli.kernels.copies import first_of_copies


def firsts(rows, ids):
    """[n] by a dictionary: the smallest id of all rows with the same values."""
    values = [tuple(np.float32(row) + np.float32(0)) for row in rows]
    least = {}
    for value, one in zip(values, ids, strict=True):
        least[value] = min(one, least.get(value, one))
    return [least[value] == one for value, one in zip(values, ids, strict=True)]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_smallest_id_of_all_copies_comes_first(kind, monkeypatch):
    monkeypatch.setattr(points, "STORED_BYTES", 4 * 3 * 7)  # copies lie in several blocks
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, size=(60, 3)).astype(kind)
    ids = rng.permutation(60)
    found = first_of_copies(points_of(rows, ids)).tolist()
    assert found == firsts(rows, ids.tolist())
    assert 0 < sum(found) < 60


def test_zero_has_no_sign():
    rows = np.array([[0.0, 1], [-0.0, 1], [0.0, -1]], np.float32)
    assert first_of_copies(points_of(rows)).tolist() == [True, False, True]


def test_the_last_bit_makes_another_row():
    rows = np.float32([[1.0, 2], [np.nextafter(np.float32(1), np.float32(2)), 2]])
    assert first_of_copies(points_of(rows)).all()
