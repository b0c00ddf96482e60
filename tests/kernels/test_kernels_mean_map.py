"""Kernel means and herding, against ten lines of NumPy."""

import numpy as np
import pytest
import torch
from clouds import ignore, points_of
from scipy.spatial.distance import cdist

from coreset_cli.kernels import mean_map as module
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.mean_map import herd, kernel_sums
from coreset_cli.kernels.radial import ONE, median_kernel
from coreset_cli.seeds import Rng


def cloud(n=90, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def herded(kernel, k):
    """Kernel herding without replacement."""
    usual, near, picks = kernel.mean(1), np.zeros(len(kernel)), []
    for t in range(k):
        score = usual - near / (t + 1)
        score[picks] = -np.inf
        picks.append(int(score.argmax()))
        near += kernel[picks[-1]]
    return picks


@pytest.mark.parametrize("shape", ["gaussian", "laplace"])
def test_is_ten_lines_of_numpy(shape):
    points = fixed(points_of(cloud()))
    kernel = median_kernel(shape, points, 1.0, Rng(0))
    away = cdist(cloud().astype(float), cloud().astype(float))
    away *= 2.0**points.grid.step / kernel.reach
    dense = np.exp(-(away**2)) if shape == "gaussian" else np.exp(-away)
    assert np.abs(kernel_sums(points, kernel).numpy() / ONE - dense.sum(1)).max() < 0.02
    assert herd(points, kernel, 30, ignore) == herded(dense, 30)


def test_blocks_change_nothing(monkeypatch):
    points = fixed(points_of(cloud()))
    kernel = median_kernel("gaussian", points, 1.0, Rng(0))
    expected = kernel_sums(points, kernel)
    for rows in (1, 7, 64):
        monkeypatch.setattr(module, "BLOCK_ROWS", rows)
        assert torch.equal(kernel_sums(points, kernel), expected)


def test_goes_on_from_what_was_kept():
    points = fixed(points_of(cloud()))
    kernel = median_kernel("gaussian", points, 1.0, Rng(0))

    class Kept:
        state = None

        def recall(self):
            return self.state

        def due(self):
            return True

        def keep(self, state, done):
            if done == 7:
                Kept.state = {name: array.copy() for name, array in state.items()}

        def close(self):
            pass

        def part(self, name):
            return self

    expected = herd(points, kernel, 20, ignore, Kept())
    told = []
    assert herd(points, kernel, 20, lambda done, total: told.append(done), Kept()) == expected
    assert told == list(range(8, 21))
