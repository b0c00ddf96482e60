import numpy as np
import pytest
from clouds import ignore, inputs_of, median_of, points_of
from grids import held, rounding
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.apportion import webster_turns
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.matching import Matcher
from coreset_cli.methods import gm
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose


def cloud(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32) + 1


def pick(method, rows, k, seed=0):
    return choose(method, inputs_of(rows), k, Rng(seed)).rows.tolist()


ROWS = cloud(120, 4, 0)
RULES = ["cosine", "dot", "l2"]


@pytest.mark.parametrize("match", ["dot", "l2"])
def test_is_matching_from_the_median_of(match):
    data = points_of(ROWS)
    target = median_of(data).point
    expected = Matcher(target, target, match).pick(fixed(data), 40, ignore)
    assert pick(Gm(match=match), ROWS, 40) == expected


def test_cosine_is_dot_on_rows_and_target_at_length_one():
    target = median_of(points_of(ROWS)).point.numpy()
    unit = ROWS.astype(float) / np.linalg.norm(ROWS.astype(float), axis=1, keepdims=True)
    target = target / np.linalg.norm(target)
    theta, picks = target, []
    for _ in range(40):
        value = unit @ theta
        value[picks] = -np.inf
        picks.append(int(value.argmax()))
        theta = theta + target - unit[picks[-1]]
    assert pick(Gm(match="cosine"), ROWS, 40) == picks


@pytest.mark.parametrize("match", RULES)
def test_theta0_decides_the_first_pick(match):
    rows = ROWS if match != "cosine" else ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    middle = ROWS.astype(float)
    if match == "cosine":
        middle = middle / np.linalg.norm(middle, axis=1, keepdims=True)
    theta = middle.mean(0)
    value = middle @ theta if match != "l2" else -((middle - theta) ** 2).sum(1)
    assert pick(Gm(match=match, theta0="mean"), rows, 1) == [int(value.argmax())]
    drawn = {pick(Gm(match=match, theta0="random"), ROWS, 1, seed)[0] for seed in range(20)}
    assert len(drawn) > 3
    if match != "l2":
        assert pick(Gm(match=match, theta0="zero"), ROWS, 1) == [0]  # a pure tie


def test_random_theta0_under_l2_is_the_row_drawn():
    for seed in range(5):
        row = int(Rng(seed).shuffled("gm theta0", points_of(ROWS).key)[0])
        assert pick(Gm(match="l2", theta0="random"), ROWS, 1, seed) == [row]


@pytest.mark.parametrize("match", RULES)
def test_one_batch_and_all_rows_are_the_full_method(match):
    full = pick(Gm(match=match), ROWS, 120)
    assert pick(Gm(match=match, gamma=1.0, batches=1), ROWS, 120, seed=9) == full
    assert sorted(full) == list(range(120))


@given(n=st.integers(1, 50), batches=st.integers(2, 60), data=st.data())
@settings(max_examples=30, deadline=None)
def test_batches(n, batches, data):
    k = data.draw(st.integers(1, n))
    rows, method = cloud(n, 3, n), Gm(match="l2", batches=batches)
    picks = pick(method, rows, k)
    assert len(set(picks)) == k
    # the same in ten lines: θ carried over, Webster's quotas, the first batches one larger
    points, rng = points_of(rows), Rng(0)
    as_held = held(points)
    parts = np.array_split(rng.shuffled("gm batches", points.key), min(batches, n))
    quotas = np.bincount(webster_turns(np.array([len(p) for p in parts]), k), minlength=len(parts))
    theta = target = median_of(points).point.numpy()
    expected = []
    for part, quota in zip(parts, quotas, strict=True):
        left = sorted(part.tolist())
        for _ in range(quota):
            distance = ((as_held[left] - theta) ** 2).sum(1)
            row = left[int(np.flatnonzero(distance <= distance.min() * (1 + 1e-9) + 1e-12)[0])]
            expected.append(row)
            left.remove(row)
            theta = theta + target - as_held[row]
    assert picks == expected


def test_ties_inside_a_batch_go_by_id():
    rows = np.full((10, 2), 0.1, np.float32)
    picks = pick(Gm(match="l2", batches=3), rows, 10)
    parts = np.array_split(Rng(0).shuffled("gm batches", points_of(rows).key), 3)
    assert picks == [row for part in parts for row in sorted(part.tolist())]


def test_batches_cost_little():
    rows = np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32)
    target = median_of(points_of(rows)).point.numpy()

    def error(batches):
        return np.linalg.norm(
            rows[pick(Gm(match="l2", batches=batches), rows, 300)].mean(0) - target
        )

    assert error(1) < 0.025
    assert error(30) < 0.045  # .017 and .027 were measured for the specification; random has .27


def test_gamma_is_the_share_of_rows_the_median_sees(monkeypatch):
    seen = []
    kernel = gm.geometric_median
    monkeypatch.setattr(gm, "geometric_median", lambda p: (seen.append(p.n), kernel(p))[1])
    rows = cloud(100, 3, 1)
    for gamma in (1.0, 0.07, 0.071, 0.5, 1e-9):
        assert len(pick(Gm(gamma=gamma), rows, 100)) == 100  # all rows can still be picked
    assert seen == [100, 7, 8, 50, 1]


def test_gamma_draws_without_replacement_from_the_seed():
    rows = cloud(100, 3, 1)
    assert pick(Gm(gamma=0.1), rows, 20, seed=1) == pick(Gm(gamma=0.1), rows, 20, seed=1)
    lists = {tuple(pick(Gm(gamma=0.1), rows, 20, seed)) for seed in range(5)}
    assert len(lists) > 1


@pytest.mark.parametrize("method", [Gm(match="cosine"), Herding(match="cosine")])
def test_cosine_without_a_direction_is_told(method):
    rows = np.vstack([cloud(30, 3, 2), -cloud(30, 3, 2)])
    found = choose(method, inputs_of(rows), 5, Rng(0))
    assert "no direction" in found.notes[0]
    assert found.rows[0] == 0
    assert not choose(method, inputs_of(rows[:30]), 5, Rng(0)).notes


def test_a_median_that_does_not_converge_is_told(monkeypatch):
    kernel = gm.geometric_median
    monkeypatch.setattr(gm, "geometric_median", lambda p: kernel(p, max_iterations=1))
    assert "did not converge" in choose(Gm(), inputs_of(ROWS**3), 5, Rng(0)).notes[0]


@pytest.mark.parametrize("wrong", [{"gamma": 0.0}, {"gamma": 1.5}, {"gamma": -1.0}, {"batches": 0}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        Gm(**wrong)


@pytest.mark.parametrize("match", RULES)
def test_on_a_centre_that_is_the_mean_gm_is_herding(match):
    rows = np.float32([[2, 1], [1, 2], [0, 1], [1, 0], [3, 3], [-1, -1]])
    assert mean(points_of(rows)).tolist() == [1, 1]
    assert median_of(points_of(rows)).point.tolist() == pytest.approx([1, 1], abs=1e-9)
    picks = choose(Herding(match=match), inputs_of(rows), 6, Rng(0)).rows.tolist()
    if match == "cosine":
        assert picks == pick(Gm(match="cosine"), rows, 6)
    else:
        assert picks == {"dot": [4, 5, 0, 1, 2, 3], "l2": [0, 2, 1, 3, 4, 5]}[match]


def test_progress_counts_the_picks_of_all_batches():
    told = []
    data = inputs_of(ROWS)
    watched = type(data)(
        key=data.key, points=data.points, progress=lambda done, total: told.append((done, total))
    )
    choose(Gm(batches=7), watched, 30, Rng(0))
    assert told == [(done, 30) for done in range(1, 31)]


@pytest.mark.parametrize("batches", [1, 4])
@pytest.mark.parametrize("theta0", ["target", "random"])
def test_facts_say_how_far_the_mean_of_the_picks_is_from_the_median(batches, theta0):
    method = Gm(match="l2", batches=batches, theta0=theta0)
    picks = choose(method, inputs_of(ROWS), 30, Rng(0))
    median = median_of(points_of(ROWS))
    data = points_of(ROWS)
    away = held(data)[picks.rows].mean(0) - median.point.numpy()
    assert picks.facts["residual"] == pytest.approx(np.linalg.norm(away), rel=1e-9)
    raw = ROWS[picks.rows].astype(float).mean(0) - median.point.numpy()
    assert picks.facts["residual"] == pytest.approx(np.linalg.norm(raw), abs=rounding(data).max())
    spread = np.linalg.norm(ROWS - median.point.numpy(), axis=1).mean()
    assert picks.facts["median_objective"] == pytest.approx(spread, abs=rounding(data).max())
    assert picks.facts["median_iterations"] == median.iterations


def test_herding_tells_its_residual():
    picks = choose(Herding(), inputs_of(ROWS), 30, Rng(0))
    rows = held(points_of(ROWS))
    away = rows[picks.rows].mean(0) - rows.mean(0)
    assert picks.facts == {"residual": pytest.approx(np.linalg.norm(away), rel=1e-9)}
