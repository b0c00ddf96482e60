from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.kernels.apportion import (
    equal_turns,
    first_turns,
    largest_remainders,
    raised_quotas,
    webster_turns,
    weighted_turns,
)


def webster_by_fractions(sizes, k):
    due = [
        (Fraction(2 * j - 1, 2 * size), group)
        for group, size in enumerate(sizes)
        for j in range(1, size + 1)
    ]
    return [group for _, group in sorted(due)[:k]]


def quotas(turns, groups):
    return np.bincount(turns, minlength=groups).tolist()


some_sizes = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


def test_webster_hand_worked():
    turns = webster_turns(np.array([50, 30, 20]), 7)
    assert turns.tolist() == [0, 1, 2, 0, 0, 1, 0]
    assert quotas(turns, 3) == [4, 2, 1]


def test_equal_hand_worked():
    assert quotas(equal_turns(np.array([5, 1, 0, 10]), 9), 4) == [4, 1, 0, 4]
    assert quotas(equal_turns(np.array([3, 3, 3]), 4), 3) == [2, 1, 1]
    assert equal_turns(np.array([1, 3, 2]), 6).tolist() == [0, 1, 2, 1, 2, 1]


@given(sizes=some_sizes, data=st.data())
def test_webster_equals_fractions(sizes, data):
    k = data.draw(st.integers(1, sum(sizes)))
    assert webster_turns(np.array(sizes), k).tolist() == webster_by_fractions(sizes, k)


@pytest.mark.parametrize("sizes", [[3, 9, 27], [7, 7 * 10**4], [10**5 + 3, 10**5 + 3, 10**5 - 1]])
def test_webster_ties_of_large_groups_are_exact(sizes):
    assert webster_turns(np.array(sizes), 500).tolist() == webster_by_fractions(sizes, 500)


@given(sizes=some_sizes, data=st.data())
def test_quotas_nest_and_never_pass_a_group(sizes, data):
    k = data.draw(st.integers(1, sum(sizes)))
    for share in (webster_turns, equal_turns):
        turns, whole = share(np.array(sizes), k), share(np.array(sizes), sum(sizes))
        assert turns.tolist() == whole[:k].tolist()
        assert quotas(whole, len(sizes)) == sizes


@given(sizes=some_sizes, data=st.data())
def test_equal_shares_differ_by_one_unless_a_group_is_empty(sizes, data):
    k = data.draw(st.integers(1, sum(sizes)))
    given_ = quotas(equal_turns(np.array(sizes), k), len(sizes))
    unfinished = [q for q, size in zip(given_, sizes, strict=True) if q < size]
    assert not unfinished or max(given_) - min(unfinished) <= 1


def test_minimum_hand_worked():
    sizes = np.array([900, 90, 10])
    before = np.bincount(webster_turns(sizes, 10), minlength=3)
    assert before.tolist() == [9, 1, 0]
    raised = raised_quotas(before, sizes, 1)
    assert raised.tolist() == [8, 1, 1]
    turns = first_turns(webster_turns(sizes, 1000), raised)
    assert turns.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]  # due at .5/900 … 7.5/900, .5/90, .5/10


def test_minimum_takes_back_from_the_larger_id():
    assert raised_quotas(np.array([3, 3, 0]), np.array([9, 9, 9]), 1).tolist() == [3, 2, 1]


def test_minimum_beyond_the_budget_is_refused():
    assert raised_quotas(np.array([2, 0, 0]), np.array([5, 5, 5]), 1) is None


@given(sizes=some_sizes, least=st.integers(1, 5), data=st.data())
def test_minimum_is_met_and_the_sum_stays(sizes, least, data):
    k = data.draw(st.integers(1, sum(sizes)))
    before = np.bincount(webster_turns(np.array(sizes), k), minlength=len(sizes))
    floors = np.minimum(sizes, least)
    raised = raised_quotas(before, np.array(sizes), least)
    assert (raised is None) == (floors.sum() > k)
    if raised is not None:
        assert raised.sum() == k
        assert (raised >= floors).all()
        assert (raised <= np.maximum(before, floors)).all()


@given(st.decimals(0, 1, places=4), st.lists(st.integers(0, 60), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_largest_remainders_are_exact(share, sizes):
    quotas = largest_remainders(share, np.array(sizes))
    exact = [Fraction(share) * m for m in sizes]
    assert quotas.sum() == floor(sum(exact) + Fraction(1, 2))
    more = [int(quota) - floor(part) for quota, part in zip(quotas, exact, strict=True)]
    assert set(more) <= {0, 1}
    assert all(quota <= m for quota, m in zip(quotas, sizes, strict=True))
    # who gives one more has the larger fraction, or the same and the smaller number
    order = sorted(range(len(sizes)), key=lambda g: (floor(exact[g]) - exact[g], g))
    assert [more[g] for g in order] == sorted(more, reverse=True)


def test_weighted_hand_worked():
    """Due at ½/3 and 1½/3 for weight 3, at ½, 1½ and 2½ for weight 1; then those of weight 0."""
    turns = weighted_turns(np.array([3.0, 1.0, 0.0, 0.0]), np.array([2, 3, 1, 2]), 8)
    assert turns.tolist() == [0, 0, 1, 1, 1, 3, 2, 3]


@given(sizes=some_sizes, data=st.data())
def test_weighted_equals_fractions_and_nests(sizes, data):
    weights = data.draw(st.lists(st.integers(0, 9), min_size=len(sizes), max_size=len(sizes)))
    due = [
        (weight == 0, Fraction(2 * j - 1, weight or size), group)
        for group, (weight, size) in enumerate(zip(weights, sizes, strict=True))
        for j in range(1, size + 1)
    ]
    k = data.draw(st.integers(1, sum(sizes)))
    expected = [group for *_, group in sorted(due)[:k]]
    assert weighted_turns(np.array(weights, float), np.array(sizes), k).tolist() == expected
