import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, ignore, median_of, points_of, vector
from grids import held, lifted, rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import special_ortho_group

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.matching import Matcher, direction

LIST_A = [[2, 1], [1, 2], [0, 1], [1, 0], [3, 3], [-1, -1]]
LIST_B = [[2, 0], [0, 3], [3, 4], [4, 3], [-3, 4]]


def cloud(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def match(data, target, k, rule, theta=None):
    return Matcher(target, target if theta is None else theta, rule).pick(fixed(data), k, ignore)


def plain(rows, target, theta, k, rule):
    """The recursion in ten lines, every score anew from θ."""
    rows, theta, left, picks = np.asarray(rows, float), np.array(theta), set(range(len(rows))), []
    for _ in range(k):
        value = rows @ theta if rule == "dot" else -((rows - theta) ** 2).sum(1)
        row = max(left, key=lambda i: value[i])
        picks.append(row)
        left.remove(row)
        theta = theta + target - rows[row]
    return picks


def test_list_a():
    data = points_of(LIST_A)
    assert mean(data).tolist() == [1, 1]
    assert match(data, vector(1, 1), 6, "dot") == [4, 5, 0, 1, 2, 3]
    assert match(data, vector(1, 1), 6, "l2") == [0, 2, 1, 3, 4, 5]


def test_list_a_from_a_centre_that_is_off_by_rounding():
    off = vector(np.nextafter(1, 2), np.nextafter(1, 0))
    assert match(points_of(LIST_A), off, 6, "l2") == [0, 2, 1, 3, 4, 5]


def test_list_b_cosine():
    data = points_of(LIST_B).unit()
    assert match(data, direction(vector(3, 4), 3.0), 5, "dot") == [2, 3, 1, 0, 4]


def test_outlier_first_by_dot_and_last_by_l2():
    data = points_of([[0, 0], [4, 0], [100, 100], [0, 4]])
    assert match(data, vector(2, 2), 4, "dot")[0] == 2
    assert match(data, vector(2, 2), 4, "l2")[-1] == 2


def test_one_row_far_outside_is_the_last_of_l2():
    rows = cloud(300, 4, 0)
    rows[17] = 1e6
    data = points_of(rows)
    assert match(data, median_of(data).point, 300, "l2")[-1] == 17


@pytest.mark.parametrize("rule", ["l2", "dot"])
def test_equals_the_plain_recursion(rule):
    rows = cloud(60, 5, 1) + 2
    data, target = points_of(rows), mean(points_of(rows))
    expected = plain(held(data), target.numpy(), target.numpy(), 60, rule)
    assert match(data, target, 60, rule) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["l2", "dot"])
@pytest.mark.parametrize(("n", "d"), [(200, 3), (120, 700)])
def test_every_pick_is_the_best_of_the_rows_as_rounded(kind, rule, n, d):
    """In exact fractions: no other row has a score above the pick's by more than is rounded."""
    data = points_of(drawn(kind, n, d), ids=np.random.default_rng(n).permutation(n))
    rows = fixed(data)
    exact, rank = lifted(rows.rows), data.key.rank
    target = rows.grid.outside(rows.mean())
    picks = Matcher(target, target, rule).pick(rows, 40, ignore)
    origin = rows.grid.origin if rule == "l2" else torch.zeros(d).double()
    factor = 2 if rule == "l2" else 1
    pull = _scores(exact, rows.grid.inside(target), factor)
    state = _scores(exact, (target - origin) * 2.0**rows.grid.step, factor)
    if rule == "l2":
        state = state - (exact**2).sum(1)
    left = set(range(n))
    for pick in picks:
        best = min(left, key=lambda i: (-state[i], rank[i]))
        if rows.rows.lifts.any():
            assert state[pick] >= state[best] - Fraction(2) ** -30 * max(abs(state))
        else:
            assert pick == best
        left.remove(pick)
        state = state + pull - factor * (exact @ exact[pick])


def _scores(exact, vector, factor):
    """Inner products with a vector of 37 bits, as multiples of 2⁻¹²."""
    bits = 37 - math.frexp(math.sqrt(math.fsum((vector**2).tolist())))[1]
    whole = np.array([round(Fraction(v) * Fraction(2) ** bits) for v in vector.tolist()], object)
    scale = factor * Fraction(2) ** (12 - bits)
    return np.array([Fraction(round(product * scale), 2**12) for product in exact @ whole], object)


@pytest.mark.parametrize("rule", ["l2", "dot"])
def test_theta_is_what_the_picks_leave_of_it(rule):
    rows = cloud(40, 3, 2)
    target, theta = vector(0.1, 0.2, -0.3), vector(1, 0, 0)
    matcher = Matcher(target, theta, rule)
    data, picks, as_held = points_of(rows), [], np.zeros(3)
    for t in range(1, 41):
        left = np.setdiff1d(np.arange(40), picks)
        some = data.subset(left)
        picks += matcher.pick(fixed(some), 1, ignore)
        as_held += held(some)[np.flatnonzero(left == picks[-1])[0]]
        expected = theta.numpy() + t * target.numpy() - as_held
        assert np.allclose(matcher.theta.numpy(), expected, atol=1e-12)
        bound = sum(rounding(data)[picks])
        assert np.linalg.norm(as_held - rows[picks].astype(float).sum(0)) <= 2 * bound
    assert sorted(picks) == list(range(40))
    assert theta.tolist() == [1, 0, 0]  # nothing is changed in place


@given(n=st.integers(2, 30), d=st.integers(1, 5), seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_every_l2_step_is_the_best_single_addition(n, d, seed):
    rows = cloud(n, d, seed)
    data = points_of(rows)
    target = median_of(data).point
    picks = match(data, target, n, "l2")
    assert sorted(picks) == list(range(n))
    exact = rows.astype(float)
    for t in range(n):
        error = {
            i: np.linalg.norm(target.numpy() - exact[[*picks[:t], i]].mean(0))
            for i in set(range(n)) - set(picks[:t])
        }
        assert error[picks[t]] <= min(error.values()) + 2 * rounding(data).max()


def test_on_unit_rows_dot_is_l2():
    data = points_of(cloud(80, 4, 3)).unit()
    assert match(data, mean(data), 80, "dot") == match(data, mean(data), 80, "l2")


def moved(rows, *, rotate=False, shift=0.0, scale=1.0):
    rotation = special_ortho_group.rvs(rows.shape[1], random_state=4) if rotate else 1
    return (scale * (rows @ rotation if rotate else rows) + shift).astype(np.float32)


CHANGES = {"rotation": {"rotate": True}, "scale": {"scale": 4.0}, "translation": {"shift": 2.0}}


@pytest.mark.parametrize("change", CHANGES)
def test_l2_from_the_target_does_not_see(change):
    rows = cloud(100, 4, 5)
    lists = [
        match(data, mean(data), 30, "l2")
        for data in (points_of(rows), points_of(moved(rows, **CHANGES[change])))
    ]
    assert lists[0] == lists[1]


@pytest.mark.parametrize("change", ["rotation", "scale"])
def test_dot_from_the_target_does_not_see(change):
    rows = cloud(100, 4, 5) + 1
    lists = [
        match(data, mean(data), 30, "dot")
        for data in (points_of(rows), points_of(moved(rows, **CHANGES[change])))
    ]
    assert lists[0] == lists[1]


def test_dot_from_the_target_sees_translation():
    rows = cloud(100, 4, 5)
    lists = [
        match(data, mean(data), 30, "dot")
        for data in (points_of(rows), points_of(moved(rows, shift=2.0)))
    ]
    assert lists[0] != lists[1]


@pytest.mark.parametrize("change", CHANGES)
def test_dot_from_zero_does_not_see(change):
    rows = cloud(100, 4, 6)
    lists = [
        match(data, mean(data), 30, "dot", torch.zeros(4, dtype=torch.float64))
        for data in (points_of(rows), points_of(moved(rows, **CHANGES[change])))
    ]
    assert lists[0][0] == lists[1][0] == 0  # a pure tie
    assert lists[0] == lists[1]


@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-6, 1.0, 1e6]), swap=st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_pair_is_equidistant_from_its_mean(seed, size, swap):
    rows = cloud(2, 3, seed) * np.array([[1], [size]], np.float32)
    data = points_of(rows, ids=[9, 4] if swap else [4, 9])
    grid = fixed(data)
    middle = grid.grid.outside(grid.mean())  # `mean` rounds each row by its own size
    assert match(data, middle, 2, "l2") == ([1, 0] if swap else [0, 1])


def test_direction():
    assert direction(vector(3, 4), 1.0).tolist() == [0.6, 0.8]
    assert direction(vector(0, 0), 0.0).tolist() == [0, 0]
    assert direction(vector(1e-17, 0), 1.0).tolist() == [0, 0]  # rounding has no direction
    assert direction(vector(1e-17, 0), 1e-17).tolist() == [1, 0]
