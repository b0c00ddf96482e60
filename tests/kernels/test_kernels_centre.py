from itertools import pairwise

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, median_of, points_of, vector
from grids import fraction, held, rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import special_ortho_group

from coreset_cli.kernels import fixed
from coreset_cli.kernels.coordinate import mean

SQUARE = [[0, 0], [4, 0], [6, 6], [0, 4]]
STRETCHED = [[0, 0], [4, 0], [100, 100], [0, 4]]
HEAVY = [[0, 0], [0, 0], [0, 0], [1, 0], [0, 1], [-1, -1]]
SUBLINEAR = [[0, 0], [1, 0], [0, 1], [0, -1]]


def cloud(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def objective(rows, z):
    return np.linalg.norm(np.asarray(rows, float) - np.asarray(z), axis=1).mean()


@pytest.mark.parametrize("rows", [SQUARE, STRETCHED])
@pytest.mark.parametrize("start", ["default", "mean", "row 0"])
def test_intersection_of_the_diagonals(rows, start):
    data = points_of(rows)
    starts = {"default": None, "mean": mean(data), "row 0": vector(*rows[0])}
    found = median_of(data, start=starts[start])
    assert found.converged
    assert np.linalg.norm(found.point.numpy() - [2, 2]) <= 1e-5 * found.scale


def test_mean_is_dragged_where_the_median_stands():
    assert mean(points_of(SQUARE)).tolist() == [2.5, 2.5]
    assert mean(points_of(STRETCHED)).tolist() == [26, 26]


@pytest.mark.parametrize("start", [(0.0, 0.0), (0.3, 0.2)])
def test_half_of_the_mass_is_the_median_exactly(start):
    found = median_of(points_of(HEAVY), start=vector(*start))
    assert found.point.tolist() == [0, 0]
    assert found.converged
    assert found.iterations == 1 or any(start)  # the start is seen to be the median


def test_a_step_away_from_a_row_is_held_back_by_the_rows_there():
    """Worked by hand: R = (2.6, 0), Σ 1/d = .65, so T − z = (4, 0), of which 1 − 2/2.6 is gone."""
    data = points_of([[0, 0], [0, 0], [4, 0], [4, 3], [4, -3]])
    found = median_of(data, start=vector(0, 0), max_iterations=1)
    assert found.point.tolist() == pytest.approx([4 * (1 - 2 / 2.6), 0])


def test_sublinear_case_ends_on_the_row():
    """Weiszfeld's iteration alone needs hundreds of steps here."""
    found = median_of(points_of(SUBLINEAR), start=vector(0.3, 0.2))
    assert found.point.tolist() == [0, 0]
    assert found.iterations <= 40


@pytest.mark.parametrize("rows", [[5, 1, 9], [5, 1, 9, 2], [1, 1, 1, 8], [0, 1, 2, 3, 1000]])
def test_one_dimension_is_an_ordinary_median(rows):
    found = median_of(points_of([[r] for r in rows])).point.item()
    low, high = np.sort(rows)[[(len(rows) - 1) // 2, len(rows) // 2]]
    assert low - 1e-6 <= found <= high + 1e-6


def test_collinear_points_end_between_the_middle_two():
    rows = [[0, 0], [1, 2], [2, 4], [3, 6]]
    found = median_of(points_of(rows))
    assert found.objective == pytest.approx(
        objective(rows, [1.5, 3]), abs=fraction(points_of(rows))
    )


def test_one_row_and_equal_rows_are_their_own_median():
    value = np.float32(0.1)
    for n in (1, 2, 7):
        found = median_of(points_of(np.full((n, 3), value)))
        assert found.point.tolist() == [float(value)] * 3
        assert (found.objective, found.converged) == (0, True)


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=40)
def test_of_a_pair_the_row_with_the_smaller_id(seed, scale):
    rows = cloud(2, 3, seed) * np.array([[1], [scale]], np.float32)
    found = median_of(points_of(rows, ids=[7, 3])).point
    assert found.tolist() == rows[1].astype(float).tolist()


def objective_bound(data, found):
    """Distances are counted in 2⁻¹² units; a point that is a row is given as it was stored."""
    at_row = bool((data.rows(torch.arange(data.n)) == found.point).all(1).any())
    return fraction(data) + at_row * rounding(data).max()


@given(n=st.integers(3, 60), d=st.integers(2, 6), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_equals_a_general_minimiser(n, d, seed):
    rows = cloud(n, d, seed)
    data = points_of(rows)
    found, as_held = median_of(data), held(data)
    best = minimize(lambda z: objective(as_held, z), as_held.mean(0), method="BFGS", tol=1e-10)
    bound = objective_bound(data, found)
    assert found.objective <= best.fun + bound
    assert objective(as_held, found.point.numpy()) == pytest.approx(found.objective, abs=bound)
    raw = minimize(lambda z: objective(rows, z), best.x, method="BFGS", tol=1e-10)
    assert found.objective == pytest.approx(raw.fun, abs=bound + rounding(data).mean())


@given(n=st.integers(1, 40), d=st.integers(1, 4), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_no_row_is_better(n, d, seed):
    rows = np.round(cloud(n, d, seed) * 2)  # a coarse grid: repeated rows, rows at the optimum
    data = points_of(rows)
    assert np.array_equal(held(data), rows)  # nothing is rounded
    found = median_of(data)
    assert found.objective <= min(objective(rows, row) for row in rows) + fraction(data)


@pytest.mark.parametrize("rows", [cloud(80, 5, 1), cloud(80, 5, 2) ** 3, np.float32(STRETCHED)])
def test_objective_never_rises(rows):
    data, start = points_of(rows), torch.from_numpy(rows[0].astype(float))
    values = [objective(rows, start.numpy())]
    for steps in range(1, 25):
        found = median_of(data, start=start, max_iterations=steps)
        values.append(found.objective)
        if found.converged:
            break
    values[0] += rounding(data).mean()
    assert all(after <= before + fraction(data) for before, after in pairwise(values))
    assert values[-1] < values[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "d"), [(301, 5), (40, 1), (60, 300)])
def test_rows_of_every_kind(kind, n, d):
    """Few steps, none of which raises the objective, to where the raw rows pull evenly."""
    rows = drawn(kind, n, d)
    data, values = points_of(rows), []
    for steps in range(1, 30):
        found = median_of(data, max_iterations=steps)
        values.append(found.objective)
        if found.converged:
            break
    assert found.converged
    assert found.iterations <= 12
    last = 2.0**-52 * values[0] + fraction(data)  # the sum of norms ends where doubles end
    assert all(after <= before + last for before, after in pairwise(values))
    away = rows - found.point.numpy()
    distance = np.linalg.norm(away, axis=1)
    upon = distance <= rounding(data)
    pull = np.linalg.norm((away[~upon] / distance[~upon, None]).sum(0))
    turned = (rounding(data)[~upon] / distance[~upon]).sum()
    assert pull <= np.count_nonzero(upon) + 2 * turned + 1e-5 * n


@pytest.mark.parametrize("d", [1, 3, 600])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_more_than_half_of_the_rows_are_the_median_exactly(d, value):
    rows = cloud(201, d, 0)
    rows[:102] = value
    found = median_of(points_of(rows[np.random.default_rng(1).permutation(201)]))
    assert found.point.tolist() == [float(np.float32(value))] * d


@pytest.mark.parametrize("share", [0.1, 0.45])
def test_outliers_of_a_million_radii_are_one_row_each(share):
    """The median does not see how far they are: a thousand radii or a million give one point."""
    rows = cloud(1000, 6, 0)
    bad = int(share * 1000)
    found = []
    for far in (1e5, 1e6):
        rows[:bad] = far * cloud(bad, 6, 1)
        found.append(median_of(points_of(rows)).point.numpy())
    assert np.linalg.norm(found[0] - found[1]) < 1e-3


def test_running_out_of_steps_is_told():
    found = median_of(points_of(cloud(50, 3, 0) ** 3), max_iterations=2)
    assert (found.iterations, found.converged) == (2, False)


def test_moves_with_rotation_shift_and_scale():
    rows = cloud(200, 6, 3).astype(float)
    rotation = special_ortho_group.rvs(6, random_state=1)
    moved = 2.5 * rows @ rotation + 3
    exact = [median_of(points_of(r.astype(np.float32)), tolerance=1e-9) for r in (rows, moved)]
    expected = 2.5 * exact[0].point.numpy() @ rotation + 3
    assert np.linalg.norm(exact[1].point.numpy() - expected) <= 1e-5 * exact[1].scale


@pytest.mark.parametrize("attack", ["cluster", "scatter", "mean-attack"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_stays_within_the_bound_of_its_breakdown(attack, share):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(1000, 8))
    bad = int(share * 1000)
    clean = rows[bad:]
    radius = np.median(np.linalg.norm(clean - clean.mean(0), axis=1))
    away = rng.normal(size=(bad, 8))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    if attack == "mean-attack":
        target = clean.mean(0) + 10 * radius * away[0]
        rows[:bad] = clean.mean(0) + (target - clean.mean(0)) / share
    else:
        rows[:bad] = clean.mean(0) + 10 * radius * (away[0] if attack == "cluster" else away)
    data = points_of(rows.astype(np.float32))
    spread = np.linalg.norm(clean - clean.mean(0), axis=1).mean()
    bound = 2 * (1 - share) / (1 - 2 * share) * spread
    error = np.linalg.norm(median_of(data).point.numpy() - clean.mean(0))
    dragged = np.linalg.norm(mean(data).numpy() - clean.mean(0))
    assert error <= bound
    if attack == "cluster":
        assert dragged == pytest.approx(share * 10 * radius, rel=1e-4)
    if attack == "mean-attack":
        assert dragged == pytest.approx(10 * radius, rel=1e-4)


def test_start_is_of_a_sample_chosen_by_id_hash(monkeypatch):
    monkeypatch.setattr(fixed, "START_ROWS", 32)
    rows, ids = cloud(500, 3, 0), np.arange(1000, 1500)
    order = np.random.default_rng(1).permutation(500)
    first, second = points_of(rows, ids), points_of(rows[order], ids[order])
    one = median_of(first, max_iterations=1)
    other = median_of(second, max_iterations=1)
    assert one.scale == other.scale
    assert one.point.tolist() == other.point.tolist()
    monkeypatch.setattr(fixed, "START_ROWS", 33)
    assert median_of(first, max_iterations=1).scale != one.scale
