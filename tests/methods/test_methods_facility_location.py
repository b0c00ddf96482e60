import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels import similarity
from coreset_cli.methods.facility_location import FacilityLocation
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ROWS = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32) + 0.5


def pick(method, rows, k, seed=0, ids=None):
    return choose(method, inputs_of(rows, ids=ids), k, Rng(seed)).rows.tolist()


def half_cosines(rows):
    unit = rows / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    return (1 + unit @ unit.T) / 2


def plain(s, k):
    """The naive method of floating numbers."""
    served, picks, scores = np.zeros(len(s)), [], []
    for _ in range(k):
        gains = np.maximum(0, s - served[:, None]).sum(0)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        scores.append(gains.max())
        served = np.maximum(served, s[:, picks[-1]])
    return picks, scores


@pytest.mark.parametrize("optimizer", ["lazy", "naive"])
def test_equals_the_plain_method(optimizer):
    found = choose(FacilityLocation(optimizer=optimizer), inputs_of(ROWS), 30, Rng(0))
    picks, scores = plain(half_cosines(ROWS), 30)
    assert found.rows.tolist() == picks
    assert found.scores == pytest.approx(scores, abs=1e-3)
    assert found.facts["value"] == pytest.approx(sum(scores) / 80, abs=1e-5)


def test_nearest_neighbours_alone():
    s = half_cosines(ROWS)
    kept = np.where(s >= np.sort(s, axis=1)[:, [-7]], s, 0)
    assert pick(FacilityLocation(neighbours=7), ROWS, 12) == plain(kept, 12)[0]
    assert pick(FacilityLocation(neighbours=80), ROWS, 30) == plain(s, 30)[0]


def test_the_middle_of_every_group_comes_first():
    """Three groups of directions, five rows each, the middle one in the middle."""
    angles = np.concatenate([start + np.linspace(-0.2, 0.2, 5) for start in (0, 2, 4)])
    rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    picks = pick(FacilityLocation(), rows, 4)
    assert set(picks[1:3]) | {picks[0]} >= {p for p in picks[:3] if p % 5 == 2}
    assert {p // 5 for p in picks[:3]} == {0, 1, 2}


def test_lengths_do_not_matter():
    lengths = 2.0 ** np.random.default_rng(1).integers(-5, 5, (80, 1)).astype(np.float32)
    assert pick(FacilityLocation(), ROWS * lengths, 40) == pick(FacilityLocation(), ROWS, 40)


def test_what_is_held_changes_no_pick(monkeypatch):
    expected = pick(FacilityLocation(), ROWS, 40)
    monkeypatch.setattr(similarity, "HELD_BYTES", 0)
    for most in (1, 5, 256):
        monkeypatch.setattr(similarity, "MOST_COLUMNS", most)
        assert pick(FacilityLocation(), ROWS, 40) == expected


def test_copies_come_last_and_by_id():
    rows = np.repeat(np.eye(3, dtype=np.float32), 3, axis=0)
    ids = [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert pick(FacilityLocation(), rows, 9, ids=ids) == [8, 5, 2, 7, 6, 4, 3, 1, 0]


def test_stochastic_is_near_and_drawn_from_the_seed():
    method = FacilityLocation(optimizer="stochastic")
    s = half_cosines(ROWS)
    found = {tuple(pick(method, ROWS, 10, seed)) for seed in range(5)}
    assert len(found) > 1
    best = s[:, plain(s, 10)[0]].max(1).sum()
    assert np.mean([s[:, picks].max(1).sum() for picks in found]) > 0.9 * best
    assert not method.prefix


def test_cost_tells_what_is_held():
    few, many = (FacilityLocation().cost(n, 10) for n in (5000, 50_000))
    assert few.state == 4 * 5000 + 64
    assert few.passes == 5000
    assert many.state < 1000
    assert many.passes > 50_000


@pytest.mark.parametrize("epsilon", [0.0, 1.0, float("nan")])
def test_impossible_parameters_are_refused(epsilon):
    with pytest.raises(InvalidParameter, match="epsilon"):
        FacilityLocation(epsilon=epsilon)
    with pytest.raises(InvalidParameter, match="neighbours"):
        FacilityLocation(neighbours=-1)


def test_equals_apricot():
    selection = pytest.importorskip("apricot").FacilityLocationSelection
    ranking = selection(30, metric="precomputed", optimizer="naive").fit(half_cosines(ROWS)).ranking
    assert pick(FacilityLocation(), ROWS, 30) == ranking.tolist()


def test_equals_submodlib():
    submodlib = pytest.importorskip("submodlib")
    function = submodlib.FacilityLocationFunction(
        n=80, mode="dense", sijs=half_cosines(ROWS), separate_rep=False
    )
    found = function.maximize(budget=25, optimizer="NaiveGreedy", show_progress=False)
    assert pick(FacilityLocation(), ROWS, 25) == [row for row, _ in found]
