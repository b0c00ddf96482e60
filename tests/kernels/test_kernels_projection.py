import math

import numpy as np
import pytest
from clouds import drawn, points_of
from grids import held
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.kernels import projection
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.projection import leading, plane_of


def plane(rows, *, centred=True):
    return plane_of(fixed(points_of(rows)), centred=centred)


def reference(rows, *, centred):
    """By LAPACK, of the rows as rounded: each direction's largest loading is positive."""
    data = points_of(rows)
    values = held(data) * 2.0 ** fixed(data).grid.step
    middle = values.mean(0)
    directions = np.linalg.svd(values - middle * centred, full_matrices=False)[2][:2]
    largest = np.abs(directions).argmax(1)
    turned = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    return (values - middle) @ turned.T


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(
    "kind", ["isotropic", "power law", "blobs", "bytes", "gross outliers", "far", "heavy tails"]
)
@pytest.mark.parametrize(("n", "d"), [(300, 8), (30, 70), (1500, 3)])
def test_coordinates_are_those_of_lapack(kind, n, d, centred):
    rows = drawn(kind, n, d, seed=1)
    expected = reference(rows, centred=centred)
    assert plane(rows, centred=centred) == pytest.approx(
        expected, abs=1e-7 * np.abs(expected).max()
    )


def test_of_equal_loadings_the_first_is_positive():
    rows = np.outer([-3, 1, 2], [1, -1, 0]).astype(np.float32)
    assert (np.diff(plane(rows)[:, 0]) > 0).all()
    assert (np.diff(plane(-rows)[:, 0]) < 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(2, 60),
    st.integers(0, 1000),
    st.sampled_from(["normal", "heavy", "two"]),
    st.sampled_from([0.0, 3.0, 30.0]),
)
def test_rows_on_a_line_have_no_second_coordinate(n, d, seed, along, offset):
    rng = np.random.default_rng(seed)
    places = {
        "normal": rng.normal(size=n),
        "heavy": rng.standard_t(1.5, size=n),
        "two": rng.integers(0, 2, n).astype(float),
    }[along]
    rows = (np.outer(places, rng.normal(size=d)) + offset * rng.normal(size=d)).astype(np.float32)
    assert not plane(rows)[:, 1].any()


def test_one_row_far_out_does_not_hide_the_second_coordinate():
    rows = drawn("isotropic", 500, 20)
    rows[7] *= 1e4
    found = plane(rows)[:, 1]
    assert np.abs(np.delete(found, 7)).max() > 1000  # of about 2¹⁴ / √20 units


@pytest.mark.parametrize("rows", [np.ones((5, 3)), np.zeros((4, 2)), [[7.0]], [[1.0, 2.0, 3.0]]])
def test_rows_that_are_all_the_same_lie_at_the_origin(rows):
    for centred in (True, False):
        assert not plane(np.array(rows, np.float32), centred=centred).any()


def test_one_coordinate_is_its_own_direction():
    found = plane(np.float32([[1], [5], [2]]))
    assert np.argsort(found[:, 0]).tolist() == [0, 2, 1]
    assert not found[:, 1].any()


def test_blocks_change_no_bit(monkeypatch):
    rows = drawn("far", 400, 12)
    expected = plane(rows).tobytes()
    for values in (12, 500, 1 << 30):
        monkeypatch.setattr(projection, "BLOCK_VALUES", values)
        assert plane(rows).tobytes() == expected


@pytest.mark.parametrize("spectrum", [[5, 3, 1, 0], [4, 4, 4, 1], [9, 2, 2, 2, 0.5], [1e12, 1, 0]])
def test_leading_vectors_of_a_matrix(spectrum):
    d = len(spectrum)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    matrix = turn * spectrum @ turn.T
    found = np.empty((0, d))
    for value in sorted(spectrum, reverse=True)[:2]:
        vector = leading(lambda v: matrix @ v, found)
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert np.abs(found @ vector).max(initial=0) < 1e-12
        assert matrix @ vector == pytest.approx(value * vector, abs=1e-9 * max(spectrum))
        found = np.vstack([found, vector])


def test_leading_vector_of_a_large_matrix_without_gaps():
    rows = np.random.default_rng(0).normal(size=(400, 300))
    matrix = rows.T @ rows
    vector = leading(lambda v: matrix @ v, np.empty((0, 300)))
    assert vector @ matrix @ vector == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-9)


def test_there_are_no_more_directions_than_coordinates():
    assert leading(lambda v: 0 * v, np.ones((1, 1))).tolist() == [0]
    assert math.isclose(np.linalg.norm(leading(lambda v: 0 * v, np.empty((0, 3)))), 1)
