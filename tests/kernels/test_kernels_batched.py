"""Many picks in one call are the picks of one pass each."""

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, ignore, points_of
from memos import Found, Kept

from coreset_cli.kernels import batched, points
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.matching import Matcher
from coreset_cli.kernels.memo import Forgetful
from coreset_cli.kernels.portable import Portable


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Compiled loops, however few rows; many chunks for many threads."""
    monkeypatch.setattr(points, "SMALL", 0)
    monkeypatch.setattr(batched, "CHUNK_BYTES", 130)


def pools(kind, n=70, d=9):
    """The same points for loops of one pass, for one thread alone, and for all threads."""
    rows = drawn(kind, n, d, 3)
    ids = np.random.default_rng(1).permutation(n)
    plain, every = points_of(rows, ids), points_of(rows, ids)
    vars(plain)["loops"] = Portable()
    return fixed(plain), fixed(every.one_thread()), fixed(every)


def matched(pool, rule, k, memo, theta):
    target = torch.zeros_like(pool.grid.origin)
    matcher = Matcher(target, theta, rule)
    return matcher.pick(pool, k, ignore, memo), matcher.theta.tolist()


def covered(pool, k, memo):
    first = pool.best(5, 0.0)
    rows, radii = farthest_first(pool, k, first, ignore, memo)
    return rows, radii.tolist()


@pytest.mark.parametrize("values", [20 * 70 * 9, 1 << 28])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_are_the_same(kind, values, monkeypatch):
    monkeypatch.setattr(batched, "VALUES", values)
    plain, *several = pools(kind)
    assert not batched.holds(plain)
    assert all(map(batched.holds, several))
    theta = plain.grid.origin + 0.5
    for rule in ("l2", "dot"):
        for k in (1, 70):
            one = matched(plain, rule, k, Forgetful(), theta)
            for pool in several:
                assert matched(pool, rule, k, Forgetful(), theta) == one
    for k in (1, 70):
        one = covered(plain, k, Forgetful())
        for pool in several:
            assert covered(pool, k, Forgetful()) == one


@pytest.mark.parametrize("values", [1, 70 * 9 * 7])
def test_goes_on_from_a_state_of_either(values, monkeypatch):
    monkeypatch.setattr(batched, "VALUES", values)
    plain, alone, every = pools("blobs")
    theta = plain.grid.origin + 0.5
    for run in (lambda pool, memo: matched(pool, "l2", 50, memo, theta),
                lambda pool, memo: covered(pool, 50, memo)):  # fmt: skip
        whole = run(plain, Forgetful())
        for left, right in ((plain, alone), (alone, every), (every, plain), (alone, alone)):
            kept = Kept()
            assert run(left, kept) == whole
            for state, done in kept.states[:: max(1, len(kept.states) // 3)]:
                assert done == len(state["picks"])
                assert run(right, Found(state)) == whole


def test_progress_is_told_batch_by_batch(monkeypatch):
    monkeypatch.setattr(batched, "VALUES", 70 * 9 * 20)
    _, alone, _ = pools("blobs")
    target, told = torch.zeros_like(alone.grid.origin), []
    Matcher(target, target, "l2").pick(alone, 50, lambda done, total: told.append((done, total)))
    assert told == [(20, 50), (40, 50), (50, 50)]
