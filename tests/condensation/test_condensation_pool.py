"""Batches of real rows: of one class, without repeats, and the same whatever the file's order."""

import numpy as np
import pytest
import torch

from coreset_cli.condensation.pool import pool_of
from coreset_cli.training.batches import images_of


def make(order, rows=None):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (30, 4, 4, 1), np.uint8)
    codes = np.arange(30) % 3
    order = np.asarray(order)
    images = images_of(values[order], codes[order])
    return pool_of(images, order, np.arange(30) if rows is None else rows, 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_different_rows_of_the_class_alone():
    pool = make(range(30))
    rows = pool.drawn(1, 6, generator())
    assert len(set(rows.tolist())) == 6
    assert set((rows % 3).tolist()) == {1}
    assert sorted(pool.drawn(2, 99, generator()).tolist()) == list(range(2, 30, 3))


def test_every_row_is_drawn_some_day_and_order_varies():
    pool = make(range(30))
    draws = [tuple(pool.drawn(0, 4, generator(seed)).tolist()) for seed in range(40)]
    assert len(set(draws)) > 30
    assert set(sum(draws, ())) == set(range(0, 30, 3))


def test_the_order_of_the_file_decides_nothing():
    order = np.random.default_rng(1).permutation(30)
    straight, mixed = make(range(30)), make(order)
    for code in range(3):
        one = straight.pictures(straight.drawn(code, 5, generator()))
        assert torch.equal(one, mixed.pictures(mixed.drawn(code, 5, generator())))


def test_rows_that_are_left_out_are_never_drawn():
    pool = make(range(30), np.array([3, 0, 7, 4, 11]))
    assert [sorted(rows.tolist()) for rows in pool.members] == [[0, 3], [4, 7], [11]]


@pytest.mark.parametrize("count", [1, 4])
def test_pictures_are_normalised(count):
    pool = make(range(30))
    rows = pool.drawn(0, count, generator())
    values = pool.images.pixels[rows].double().numpy() / 255
    expected = (values - pool.images.mean.numpy()) / pool.images.std.numpy()
    np.testing.assert_allclose(pool.pictures(rows), expected, atol=1e-5)
