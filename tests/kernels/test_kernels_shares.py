from decimal import Decimal
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.kernels.shares import floored_share, rounded_share


def test_shares_are_rounded_as_decimals():
    assert rounded_share(Decimal("0.35"), 10) == 4
    assert rounded_share(Decimal("0.145"), 100) == 15
    assert rounded_share(Decimal("1e-999999"), 10**12) == 0
    assert rounded_share(Decimal("0.333"), 10**15) == 333 * 10**12


@given(st.decimals(0, 1, places=5), st.integers(0, 10**12))
def test_shares_are_exact(share, n):
    assert rounded_share(share, n) == floor(Fraction(share) * n + Fraction(1, 2))
    assert floored_share(share, n) == floor(Fraction(share) * n)


def test_floored_shares_are_those_of_decimals():
    assert floored_share(Decimal("0.29"), 100) == 29  # as floats, 28.999…
    assert floored_share(Decimal("1e-999999"), 10**12) == 0
