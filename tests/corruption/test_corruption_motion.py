from fractions import Fraction

import numpy as np
import pytest
import scipy.ndimage

from coreset_cli.corruption.motion import (
    RELEASED_SCALE,
    blur_kernel,
    correlated,
    released_kernel,
)

# protocols §2.1
ROW = [378, 432, 272, 341, 420, 348, 278, 400, 400, 278, 348, 420, 341, 272, 432]


def test_the_released_kernel_has_the_stated_fractions():
    shares = [[Fraction(int(k), RELEASED_SCALE) for k in row] for row in released_kernel()]
    assert shares[7] == shares[8] == [Fraction(k, 15360) for k in ROW]
    assert not np.delete(released_kernel(), [7, 8], axis=0).any()
    assert float(sum(shares[7]) + sum(shares[8])) == pytest.approx(0.697917, abs=5e-7)


def test_the_released_kernel_is_a_turned_diagonal():
    # turned by 45° about (7.5, 7.5), bilinear; the original cuts places to 1/32 of a pixel
    rows, columns = np.mgrid[:15, :15] - 7.5
    half = np.sqrt(0.5)
    source = [half * (rows + columns) + 7.5, half * (columns - rows) + 7.5]
    turned = scipy.ndimage.map_coordinates(np.eye(15), source, order=1, mode="constant")
    assert released_kernel() / RELEASED_SCALE == pytest.approx(turned / 15, abs=2.1 / 32 / 15)


def line(length, angle):
    """Each point gives every pixel a share that falls with the distance along both axes."""
    a, phi = (length - 1) / 2, np.deg2rad(angle)
    grid = np.arange(length)
    kernel = np.zeros((length, length))
    for s in np.arange(-a, a + 1):
        u, v = a + s * np.cos(phi), a - s * np.sin(phi)
        share = np.maximum(0, 1 - abs(grid - v))[:, None] * np.maximum(0, 1 - abs(grid - u))
        kernel += share
    return kernel


@pytest.mark.parametrize("angle", [30.0, 45.0, 90.0, -17.5, 180.0, 300.0])
@pytest.mark.parametrize(("size", "length"), [((32, 40), 15), ((28, 31), 13), ((40, 8), 3)])
def test_lines_at_an_angle(size, length, angle):
    kernel = blur_kernel(*size, angle)
    assert kernel.shape == (length, length)
    assert kernel == pytest.approx(line(length, angle), abs=1e-9)
    assert kernel.sum() == pytest.approx(length)


def test_the_angle_turns_against_the_clock():
    kernel = blur_kernel(40, 40, 45.0)
    assert kernel[3, 11] > 0.5  # up and to the right
    assert kernel[3, 3] == 0


def test_the_length_follows_the_smaller_side():
    sizes = {1: 1, 4: 1, 5: 3, 8: 3, 9: 5, 28: 13, 31: 15, 32: 15, 500: 15}
    for size, length in sizes.items():
        assert blur_kernel(size, 600, 10.0).shape == (length, length)
    assert np.array_equal(blur_kernel(32, 32, 0.0), released_kernel())
    level = np.zeros((13, 13))
    level[6] = 1
    assert np.array_equal(blur_kernel(28, 28, 0.0), level)
    assert np.array_equal(blur_kernel(28, 28, 90.0), level.T)
    assert np.count_nonzero(blur_kernel(31, 99, 0.0)) == 15


@pytest.mark.parametrize("shape", [(32, 32, 3), (40, 5), (1, 1), (3, 33, 1), (2, 2, 3)])
def test_correlation_is_that_of_scipy(shape):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, shape, dtype=np.uint8)
    kernel = rng.integers(-9, 10, (15, 15)).astype(float)
    weights = kernel.reshape(15, 15, *(1 for _ in shape[2:]))
    expected = scipy.ndimage.correlate(values.astype(float), weights, mode="mirror")
    assert np.array_equal(correlated(values, kernel), expected)
