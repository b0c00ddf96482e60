from fractions import Fraction

import numpy as np
import pytest
from clouds import KINDS, drawn, points_of

from coreset_cli.kernels import coordinate, points
from coreset_cli.kernels.coordinate import MEAN_BITS, coordinate_median, mean


@pytest.fixture(params=["kept", "streamed"])
def _blocks(request, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(points, "BLOCK_BYTES", 8 * 5 * 3)
        monkeypatch.setattr(points, "STORED_BYTES", 4 * 5 * 7)
        monkeypatch.setattr(points, "KEPT_BYTES", 0)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scaled", [False, True])
def test_median_of_each_coordinate_equals_numpy(kind, scaled, monkeypatch):
    for n in (1, 2, 7, 100):
        data = points_of(drawn(kind, n, 5))
        seen = data.unit() if scaled else data
        rows = np.concatenate([block.numpy().copy() for _, block in seen.blocks()])
        expected = np.median(rows, axis=0).tolist()
        assert coordinate_median(seen).tolist() == expected
        monkeypatch.setattr(coordinate, "COLUMN_BYTES", 8 * n * 2)  # a few columns at a time
        assert coordinate_median(seen).tolist() == expected


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
def test_mean_is_that_of_fractions(kind):
    """Every row rounded to 36 bits of its largest value; sums are exact but for their last bits."""
    rows = drawn(kind, 60, 5)
    found = mean(points_of(rows)).numpy()
    exact = [sum(map(Fraction, column)) / 60 for column in rows.astype(float).T.tolist()]
    largest = np.abs(rows.astype(float)).max(1)
    bound = (largest * 2.0**-MEAN_BITS).mean() + 2.0**-50 * largest.mean()
    assert all(abs(Fraction(f) - e) <= bound for f, e in zip(found.tolist(), exact, strict=True))


def test_mean_of_opposites_of_all_sizes_is_zero():
    rows = np.float32([[3.4e38, 1], [1e-45, 2], [1, 3], [-3.4e38, -1], [-1e-45, -2], [-1, -3]])
    assert mean(points_of(rows)).tolist() == [0, 0]


def test_the_order_of_rows_changes_no_bit():
    rows = drawn("farther", 200, 4)
    order = np.random.default_rng(0).permutation(200)
    assert mean(points_of(rows)).tolist() == mean(points_of(rows[order])).tolist()
