from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.commands.budget import Budget, parse_budget
from coreset_cli.errors import InfeasibleBudget, InvalidParameter


@pytest.mark.parametrize(
    ("ratio", "n", "k"),
    [
        ("0.25", 10, 3),  # 2.5: half goes up, not to the even
        ("0.005", 100, 1),
        ("0.29", 50, 15),  # 14.499999999999998 in float64
        ("0.07", 100, 7),
        ("0.0001", 10, 1),  # at least one
        ("1", 7, 7),
        ("1e-999999999", 7, 1),
        ("." + 40 * "9", 7, 7),
        ("0.0" + 30 * "4" + "9", 10, 1),
    ],
)
def test_hand_worked(ratio, n, k):
    assert parse_budget(ratio, None).rows(n) == k


@given(
    ratio=st.decimals("1e-30", "1", places=30, allow_nan=False).filter(lambda r: r > 0),
    n=st.integers(1, 10**12),
)
def test_equals_fractions(ratio, n):
    assert Budget(ratio=ratio).rows(n) == max(1, floor(Fraction(ratio) * n + Fraction(1, 2)))


@given(ratio=st.decimals("0.001", "1", places=3), n=st.integers(1, 10**6))
def test_never_beyond_the_rows(ratio, n):
    assert 1 <= Budget(ratio=ratio).rows(n) <= n


def test_counts():
    assert parse_budget(None, 5).rows(5) == 5
    with pytest.raises(InfeasibleBudget, match="--count 6 is more than the 5 rows"):
        parse_budget(None, 6).rows(5)


@pytest.mark.parametrize("ratio", ["0", "1.5", "-1", "nan", "inf", "-0.0"])
def test_ratios_outside_are_refused(ratio):
    with pytest.raises(InfeasibleBudget, match=r"outside \(0, 1\]"):
        parse_budget(ratio, None)


@pytest.mark.parametrize("count", [0, -3])
def test_counts_below_one_are_refused(count):
    with pytest.raises(InfeasibleBudget, match="at least 1"):
        parse_budget(None, count)


@pytest.mark.parametrize("ratio", ["ten", "10%", ""])
def test_what_is_no_number_is_refused(ratio):
    with pytest.raises(InvalidParameter, match="no number"):
        parse_budget(ratio, None)


@pytest.mark.parametrize(("ratio", "count"), [(None, None), ("0.1", 5)])
def test_exactly_one_is_given(ratio, count):
    with pytest.raises(InvalidParameter, match="exactly one"):
        parse_budget(ratio, count)


def test_a_share_is_kept_as_typed():
    assert parse_budget("0.10", None).ratio == Decimal("0.10")
