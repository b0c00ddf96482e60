from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.kernels.strata import strata_of, water_filled, without_hardest


@pytest.mark.parametrize(
    ("sizes", "k", "expected"),
    [
        ((2, 10, 30, 3), 20, (2, 7, 8, 3)),
        ((0, 5, 5), 7, (0, 3, 4)),
        ((5, 1, 0, 10), 9, (4, 1, 0, 4)),
        ((5, 1, 0, 10), 16, (5, 1, 0, 10)),
        ((4,), 3, (3,)),
    ],
)
def test_water_worked_by_hand(sizes, k, expected):
    assert water_filled(np.array(sizes), k).tolist() == list(expected)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=9), st.data())
def test_water_stands_level(sizes, data):
    """No stratum that has rows left gives two fewer than another one gives."""
    sizes = np.array(sizes)
    k = data.draw(st.integers(0, int(sizes.sum())))
    quotas = water_filled(sizes, k)
    assert quotas.sum() == k
    assert (quotas <= sizes).all()
    spare = quotas[quotas < sizes]
    assert not len(spare) or quotas.max() <= spare.min() + 1


def test_strata_worked_by_hand():
    """From -10 to -2 by 4: edges at -8, -6 and -4; the largest is in the last, though negative."""
    scores = np.array([-10, -8.5, -8, -6, -4, -2.1, -2])
    assert strata_of(scores, 4).tolist() == [0, 0, 1, 2, 3, 3, 3]


def test_whole_numbers_fall_on_their_own_edges():
    assert strata_of(np.arange(51.0), 50).tolist() == [*range(50), 49]


@pytest.mark.parametrize("value", [0.0, -3.5, 1e300, 5e-324])
def test_one_value_is_one_stratum(value):
    assert strata_of(np.full(5, value), 50).tolist() == [0] * 5


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e307])
def test_scores_of_any_size(scale):
    scores = np.array([-10, -4, 1, 5, 10]) * scale
    assert strata_of(scores, 4).tolist() == [0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("share", "k", "kept"),
    [
        ("0", 1, [0, 1, 2, 3, 4]),
        ("0.2", 1, [0, 2, 3, 4]),  # 1 and 3 are the hardest: the smaller id goes first
        ("0.4", 1, [0, 2, 4]),
        ("0.59", 1, [0, 2, 4]),
        ("0.6", 4, [0, 2, 3, 4]),  # four must be left
        ("0.9", 5, [0, 1, 2, 3, 4]),
    ],
)
def test_the_hardest_are_dropped(share, k, kept):
    scores = np.array([0.0, 9, 1, 9, 2])
    assert without_hardest(scores, np.arange(5), Decimal(share), k).tolist() == kept


def test_equal_ones_are_dropped_by_id():
    assert without_hardest(np.ones(3), np.array([2, 0, 1]), Decimal("0.34"), 1).tolist() == [0, 2]


def test_shares_are_read_as_decimals():
    """0.29 · 100 is 28.999… in binary."""
    assert len(without_hardest(np.arange(100.0), np.arange(100), Decimal("0.29"), 1)) == 71
