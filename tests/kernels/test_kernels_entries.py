"""Entries that vary most, against matrices written out."""

import numpy as np
import pytest
from snapshots import drawn_matrices, whole

from coreset_cli.kernels.entries import Entries
from coreset_cli.kernels.gradients import RankOne


def apart(values):
    return np.abs(values[:, None] - values[None]).sum(2)


def test_entries_are_those_of_the_largest_variance():
    matrices = drawn_matrices(30, 4, 5)
    long = whole(matrices)
    most = np.argsort(-long.var(0), kind="stable")[:6]
    found = Entries.of(matrices, 6)
    assert found.values == pytest.approx(long[:, np.sort(most)])
    assert found.distances(np.array([2, 5])) == pytest.approx(apart(long[:, most])[[2, 5]])
    assert found.farthest >= apart(long[:, most]).max()
    assert Entries.of(matrices, 1000).values.shape == (30, 20)


def test_equally_varying_entries_go_by_number():
    drawn = drawn_matrices(30, 1, 4)
    twins = RankOne(left=np.repeat(drawn.left, 2, 1) * [1, -1], right=drawn.right)
    most = int(whole(drawn).var(0).argmax())
    assert Entries.of(twins, 1).values[:, 0] == pytest.approx(whole(drawn)[:, most])
