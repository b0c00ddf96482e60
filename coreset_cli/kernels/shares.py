"""Shares of a number of rows, read as decimals; nothing here loads a library."""

from decimal import ROUND_HALF_UP, Context, Decimal

__all__ = ["floored_share", "rounded_share"]


def rounded_share(share: Decimal, n: int) -> int:
    """⌊share·n + ½⌋, without an error of rounding.

    Args:
        share: at least 0.
        n: rows.
    """
    return int(_product(share, n).to_integral_value(ROUND_HALF_UP))


def floored_share(share: Decimal, n: int) -> int:
    """⌊share·n⌋, without an error of rounding.

    Args:
        share: at least 0.
        n: rows.
    """
    return int(_product(share, n))


def _product(share: Decimal, n: int) -> Decimal:
    exact = Context(prec=len(share.as_tuple().digits) + len(str(n)))
    return exact.multiply(share, Decimal(n))
