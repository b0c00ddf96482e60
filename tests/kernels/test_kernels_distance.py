import numpy as np
import pytest
from clouds import KINDS, drawn, points_of, vector

from coreset_cli.kernels import points
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.distance import distances_to, separations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small", [0, points.SMALL])
def test_distances_equal_numpy(kind, small, monkeypatch):
    monkeypatch.setattr(points, "SMALL", small)
    rows = drawn(kind, 90, 7)
    centre = mean(points_of(rows))
    expected = np.linalg.norm(rows.astype(np.longdouble) - centre.numpy(), axis=1)
    found = distances_to(points_of(rows), centre).numpy()
    assert np.allclose(found, expected.astype(float), rtol=2.0**-26, atol=0)  # of 29 bits a value


def test_copies_are_at_zero():
    rows = np.full((5, 3), 0.1, np.float32)
    centre = vector(*[float(np.float32(0.1))] * 3)
    assert distances_to(points_of(rows), centre).tolist() == [0] * 5
    off = vector(*(centre.numpy() * (1 + 2e-16)))
    assert separations(points_of(rows), off).tolist() == [0] * 5


def test_a_pair_is_as_far_from_its_middle():
    found = separations(points_of([[0, 0], [6, 8]]), vector(3, 4 + 1e-9))
    assert found.tolist() == [5, 5]
