"""Several picks from one pass are the picks of one pass each: rows, scores and states."""

import numpy as np
import pytest
import torch
from clouds import drawn, ignore, points_of
from memos import Found, Kept

from coreset_cli.kernels import ahead, points
from coreset_cli.kernels.centre import nearest_to
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.loops import POWERS, leader
from coreset_cli.kernels.matching import Matcher
from coreset_cli.kernels.memo import Forgetful
from coreset_cli.kernels.portable import Portable

RNG = np.random.default_rng(0)
ROWS = {
    "cloud": RNG.normal(size=(700, 40)),
    "repeated": np.repeat(RNG.normal(size=(70, 20)), 10, axis=0)[RNG.permutation(700)],
    "equal": np.ones((200, 30)),
    "far": np.vstack([RNG.normal(size=(500, 12)), 1e6 * RNG.normal(size=(200, 12))]),
    "heavy": RNG.standard_t(1.0, size=(600, 8)),
    "line": RNG.normal(size=(400, 1)),
    "lattice": RNG.integers(0, 3, (600, 6)).astype(float),
    "two": RNG.normal(size=(2, 3)),
}


@pytest.fixture(params=ROWS)
def rows(request):
    array = ROWS[request.param].astype(np.float32)
    return array, np.random.default_rng(1).permutation(len(array))


@pytest.fixture(params=[(4096, 64), (256, 32), (1 << 19, 4096)])
def many(request, monkeypatch):
    """All rows count as many; chunks and pools are small, or as they are."""
    chunk, pool = request.param
    monkeypatch.setattr(points, "SMALL", 0)
    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)
    monkeypatch.setattr(ahead, "FAR_WORTH_BYTES", 0)
    monkeypatch.setattr(ahead, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(ahead, "POOL_ROWS", pool)
    monkeypatch.setattr(ahead, "FAR_ROWS", pool)


def one_by_one(cloud, state, pull, factor, k):
    """Picks of one pass each, by the loops in tensor operations."""
    picks, row = [], leader(state, cloud.rows.rank)
    for _ in range(k):
        picks.append(row)
        state[row] = -torch.inf
        step = factor * float(POWERS[int(cloud.rows.lifts[row])])
        row = Portable().advance(cloud.rows, state, pull, cloud.rows.values[row], step)
    return picks


@pytest.mark.parametrize("factor", [1, 2])
def test_matching_and_its_scores(rows, many, factor):
    cloud = fixed(points_of(*rows))
    assert ahead.holds(cloud)
    target = torch.linspace(-1, 1, rows[0].shape[1], dtype=torch.float64) * 2.0**13
    pull = cloud.scores(target, factor)
    state = pull - cloud.powers**2 * cloud.rows.squares
    single, k = state.clone(), -(-len(cloud) // 2)
    batches = [batch.tolist() for batch in ahead.match(cloud, state, pull, factor, 0, k)]
    found = [row for batch in batches for row in batch]
    assert found == one_by_one(cloud, single, pull, factor, k)
    assert state.tolist() == single.tolist()
    assert len(batches) < k or len(cloud) != 600 or ahead.CHUNK_BYTES != 4096  # some share a pass


def test_matcher_and_traversal_do_not_show_it(rows, many, monkeypatch):
    def found():
        cloud = fixed(points_of(*rows))
        target = cloud.grid.outside(cloud.mean())
        first = nearest_to(cloud, cloud.mean())
        k = len(cloud)
        places, radii = farthest_first(cloud, k, first, ignore)
        picks = [Matcher(target, target, rule).pick(cloud, k, ignore) for rule in ("l2", "dot")]
        return picks, places, radii.tolist()

    several = found()
    monkeypatch.setattr(ahead, "WORTH_BYTES", 1 << 60)
    monkeypatch.setattr(ahead, "FAR_WORTH_BYTES", 1 << 60)
    assert found() == several


def test_goes_on_from_a_state_of_either(many, monkeypatch):
    rows = drawn("blobs", 300, 20, 3)
    cloud = fixed(points_of(rows, np.random.default_rng(1).permutation(300)))
    target = cloud.grid.outside(cloud.mean())

    def matched(memo):
        matcher = Matcher(target, target, "l2")
        return matcher.pick(cloud, 120, ignore, memo), matcher.theta.tolist()

    def covered(memo):
        places, radii = farthest_first(cloud, 120, cloud.best(5, 0.0), ignore, memo)
        return places, radii.tolist()

    for run in (matched, covered):
        whole = run(Forgetful())
        several, single = Kept(), Kept()
        assert run(several) == whole
        with monkeypatch.context() as patch:
            patch.setattr(ahead, "WORTH_BYTES", 1 << 60)
            patch.setattr(ahead, "FAR_WORTH_BYTES", 1 << 60)
            assert run(single) == whole
            for state, _ in several.states[::7]:
                assert run(Found(state)) == whole
        for state, done in [*several.states[::7], *single.states[::29]]:
            assert done == len(state["picks"])
            assert run(Found(state)) == whole


def test_few_rows_places_and_single_threads_are_left_to_others(monkeypatch):
    monkeypatch.setattr(points, "SMALL", 0)
    cloud = points_of(ROWS["cloud"].astype(np.float32))
    assert not ahead.holds(fixed(cloud))
    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)
    assert ahead.holds(fixed(cloud))
    assert not ahead.holds(fixed(cloud.one_thread()))
