from math import dist, exp, sqrt

import numpy as np
import pytest

from coreset_cli.corruption.fog import fogged


def test_hand_worked_fog_of_black_and_white_images():
    black = fogged(np.zeros((32, 32, 3), np.uint8))
    white = fogged(np.full((32, 32, 3), 255, np.uint8))
    assert black[16, 16] == pytest.approx([0.44797] * 3, abs=5e-6)
    assert black[0, 0] == pytest.approx([0.42527] * 3, abs=5e-6)
    assert white[16, 16] == pytest.approx([0.55203] * 3, abs=5e-6)
    assert white[0, 0] == pytest.approx([0.57473] * 3, abs=5e-6)


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (9, 4, 1), (64, 33, 3)])
def test_fog_is_its_formula(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = fogged(values)
    assert found.shape == shape
    h, w = shape[:2]
    for y, x in [(0, 0), (h - 1, w - 1), (h // 2, w // 2), (0, w - 1), (h // 3, w // 2)]:
        t = exp(-0.4 * (sqrt(max(h, w)) - 0.04 * dist((y, x), (h // 2, w // 2))))
        expected = values[y, x] / 255 * t + 0.5 * (1 - t)
        assert found[y, x] == pytest.approx(expected, abs=1e-12)


def test_fog_never_adds_light_in_large_images():
    corner = fogged(np.zeros((1, 20_000), np.uint8))[0, 0]
    assert corner == 0
    assert 0 <= fogged(np.full((1, 20_000), 255, np.uint8)).max() <= 1
