"""Kernel thinning, against the algorithm pair by pair in NumPy."""

import math

import numpy as np
import pytest
import torch
from clouds import ignore, points_of

from coreset_cli.kernels import thinning as module
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.mean_map import kernel_sums
from coreset_cli.kernels.pairs import squares_between
from coreset_cli.kernels.radial import ONE, median_kernel
from coreset_cli.kernels.thinning import best_of, halved, level_constants, refined
from coreset_cli.seeds import Rng


def cloud(n=64, d=3, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    points = fixed(points_of(rows))
    kernel = median_kernel("gaussian", points, 1.0, Rng(0))
    dense = kernel.of(squares_between(points.rows, points.rows)).numpy() / ONE
    return points, kernel, dense


def draw(level, rows):
    return np.random.default_rng([level, *rows.tolist()]).random(len(rows))


def split(kernel, part, uniform, spread):
    """One halving, as the paper writes it."""
    here, there, variance = [], [], 0.0
    for (x, y), u in zip(part.reshape(-1, 2), uniform, strict=True):
        size = kernel[x, x] + kernel[y, y] - 2 * kernel[x, y]
        limit = max(math.sqrt(variance * size * spread), size)
        if variance == 0:
            variance, old = size, 0.0
        else:
            old = variance
            variance += max(0.0, 2 * size * (0.5 + (size / (2 * limit) - 1) * variance / limit))
        lean = (kernel[there, x] - kernel[there, y]).sum() - (
            kernel[here, x] - kernel[here, y]
        ).sum()
        limit = max(math.sqrt(old * size * spread), size)
        swap = u < min(1, max(0, (1 - lean / limit) / 2))
        here.append(y if swap else x)
        there.append(x if swap else y)
    return np.array([here, there])


def mmd(kernel, rows):
    return kernel[np.ix_(rows, rows)].mean() - 2 * kernel[rows].mean() + kernel.mean()


@pytest.mark.parametrize("block", [7, 512])
def test_is_the_paper_pair_by_pair(block, monkeypatch):
    points, kernel, dense = cloud()
    order = np.random.default_rng(3).permutation(64)
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    expected = order[None]
    for level in range(3):
        spread = 2 * math.log(2 / (0.5 / (64 * 3) * 2**level))
        expected = np.concatenate([split(dense, p, draw(level, p[::2]), spread) for p in expected])
    found = halved(points, kernel, order, 3, draw)
    assert found.tolist() == expected.tolist()
    assert sorted(found.ravel()) == list(range(64))


def test_constants_of_the_levels():
    assert level_constants(64, 2) == pytest.approx([2 * math.log(512), 2 * math.log(256)])
    assert level_constants(9, 0) == []


def test_nothing_to_halve():
    points, kernel, _ = cloud()
    assert halved(points, kernel, np.arange(9), 0, draw).tolist() == [list(range(9))]


def test_copies_go_one_to_each_half():
    points = fixed(points_of([[1.0], [1.0], [2.0], [2.0], [7.0], [7.0]]))
    kernel = median_kernel("gaussian", points, 1.0, Rng(0))
    found = halved(points, kernel, np.arange(6), 1, draw)
    assert (found // 2).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_halves_are_more_alike_than_random_ones():
    points, kernel, dense = cloud(400)
    rng = np.random.default_rng(0)
    chance = np.mean([mmd(dense, rng.choice(400, 200, replace=False)) for _ in range(50)])
    found = [
        mmd(dense, half)
        for _ in range(6)
        for half in halved(points, kernel, np.arange(400), 1, lambda _, rows: rng.random(len(rows)))
    ]
    assert np.mean(found) < chance / 2


def test_the_best_part_has_the_least_discrepancy():
    points, kernel, dense = cloud()
    rng = np.random.default_rng(1)
    parts = [rng.choice(64, 9, replace=False) for _ in range(20)]
    found = best_of(points, kernel, parts, kernel_sums(points, kernel))
    assert found == np.argmin([mmd(dense, part) for part in parts])
    same = [parts[0], parts[0][::-1].copy()]
    assert best_of(points, kernel, same, kernel_sums(points, kernel)) == 0


@pytest.mark.parametrize("block", [5, 512])
def test_refinement_is_brute_force(block, monkeypatch):
    points, kernel, dense = cloud()
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    chosen = np.random.default_rng(2).choice(64, 9, replace=False)
    expected = chosen.tolist()
    for place in range(9):
        rest = expected[:place] + expected[place + 1 :]
        others = [row for row in range(64) if row not in expected]
        best = min(others, key=lambda row: mmd(dense, [*rest, row]))
        if mmd(dense, [*rest, best]) < mmd(dense, expected):
            expected[place] = best
    found = refined(points, kernel, chosen, kernel_sums(points, kernel), ignore)
    assert found == expected
    assert len(set(found)) == 9
    assert mmd(dense, found) < mmd(dense, chosen)


def test_refinement_of_all_rows_changes_nothing():
    points, kernel, _ = cloud(20)
    order = np.random.default_rng(0).permutation(20)
    assert refined(points, kernel, order, kernel_sums(points, kernel), ignore) == order.tolist()


def test_blocks_of_a_sum_change_nothing(monkeypatch):
    points, kernel, dense = cloud()
    for rows in (3, 512):
        monkeypatch.setattr(module, "BLOCK_ROWS", rows)
        found = module._sums_over(points, kernel, np.arange(10)).numpy()
        assert torch.equal(torch.from_numpy(found), torch.from_numpy(dense[:, :10].sum(1) * ONE))


def test_refinement_never_takes_a_row_twice():
    """The row in the middle of a simplex is like all others, and would be taken again and again."""
    points = fixed(points_of(np.vstack([np.zeros(20), np.eye(20)]).astype(np.float32)))
    kernel = median_kernel("gaussian", points, 2.0, Rng(0))
    found = refined(points, kernel, np.arange(4), kernel_sums(points, kernel), ignore)
    assert len(set(found)) == 4
