"""Squared distances of pairs, and kernels of them."""

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, points_of
from grids import lifted
from scipy.spatial.distance import cdist, pdist

from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.pairs import median_square, squares_between, squares_to
from coreset_cli.kernels.radial import ONE, Radial, decay, median_kernel
from coreset_cli.seeds import Rng


def test_decay_is_the_exponential():
    values = np.concatenate([np.linspace(0, 40, 20_001), 1 / 2.0 ** np.arange(60)])
    found = decay(torch.from_numpy(values)).numpy()
    assert np.abs(found - np.exp(-values)).max() < 2e-12 + math.exp(-32)
    assert found[0] == 1
    assert (found[values >= 32] == 0).all()


def test_decay_is_made_of_correctly_rounded_values():
    for whole in (1, 5, 20):
        expected = float(Decimal(-whole).exp())
        assert decay(torch.tensor([float(whole)], dtype=torch.float64)).tolist() == [expected]


def test_decay_leaves_its_argument_alone():
    values = torch.tensor([0.3, 50.0], dtype=torch.float64)
    decay(values)
    assert values.tolist() == [0.3, 50.0]


@pytest.mark.parametrize("kind", KINDS)
def test_squares_are_those_of_the_rows_as_held(kind):
    points = fixed(points_of(drawn(kind, 40, 7)))
    rows = lifted(points.rows)
    exact = np.square(rows[:, None] - rows).sum(2)
    lengths = np.square(rows).sum(1)
    slack = np.add.outer(lengths, lengths).astype(float) * 2.0**-50
    slack[np.ix_(points.rows.lifts == 0, points.rows.lifts == 0)] = 0
    found = squares_between(points.rows, points.rows).numpy()
    assert (np.abs(found - exact.astype(float)) <= slack).all()
    assert torch.equal(squares_to(points, 3), torch.from_numpy(found)[:, 3])


def test_the_median_is_of_pairs():
    rows = np.random.default_rng(0).normal(size=(701, 3)).astype(np.float32)
    points = fixed(points_of(rows))
    found = median_square(points.rows) / 4.0**points.grid.step
    assert found == pytest.approx(np.median(pdist(rows.astype(float), "sqeuclidean")), rel=1e-4)


def test_copies_leave_the_mean_of_the_others():
    points = fixed(points_of([[0.0]] * 9 + [[1], [3]]))  # 9 · 1, 9 · 9, 1 · 4 over 19 pairs
    found = median_square(points.rows) / 4.0**points.grid.step
    assert found == pytest.approx((9 + 81 + 4) / 19, rel=1e-6)
    assert median_square(fixed(points_of([[2.0]] * 5)).rows) == 1
    assert median_square(fixed(points_of([[2.0]])).rows) == 1


@pytest.mark.parametrize(("shape", "power"), [("gaussian", 2), ("laplace", 1)])
def test_a_kernel_is_an_eth_at_its_reach(shape, power):
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    points = fixed(points_of(rows))
    kernel = median_kernel(shape, points, 1.5, Rng(0))
    reach = 1.5 * np.sqrt(np.median(pdist(rows.astype(float), "sqeuclidean")))
    assert kernel.reach / 2.0**points.grid.step == pytest.approx(reach, rel=1e-4)
    found = kernel.of(squares_between(points.rows, points.rows)).numpy() / ONE
    away = cdist(rows.astype(float), rows.astype(float)) / reach
    assert np.abs(found - np.exp(-(away**power))).max() < 1e-3
    assert (found.diagonal() == 1).all()


def test_values_are_whole():
    found = Radial("gaussian", 3.0).of(torch.arange(50, dtype=torch.float64))
    assert torch.equal(found, found.round())
    assert found[0] == ONE
