"""How many rows a user asked for."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from coreset_cli.errors import InfeasibleBudget, InvalidParameter
from coreset_cli.kernels.shares import rounded_share

__all__ = ["Budget", "parse_budget"]


@dataclass(frozen=True)
class Budget:
    """A share of the rows, or a number of them.

    Args:
        ratio: share in (0, 1], as the user typed it.
        count: number of rows.
    """

    ratio: Decimal | None = None
    count: int | None = None

    def rows(self, n: int) -> int:
        """K = max(1, ⌊ratio·n + ½⌋), the ratio read as a decimal; or the count.

        Raises:
            InfeasibleBudget: more rows than there are.
        """
        if self.count is None:
            assert self.ratio is not None
            return max(1, rounded_share(self.ratio, n))
        if self.count > n:
            raise InfeasibleBudget(f"--count {self.count} is more than the {n} rows of the input")
        return self.count


def parse_budget(ratio: str | None, count: int | None) -> Budget:
    """Exactly one of a ratio and a count.

    Raises:
        InvalidParameter: both, neither, or no number.
        InfeasibleBudget: a ratio outside (0, 1] or a count below 1.
    """
    if (ratio is None) == (count is None):
        raise InvalidParameter("give exactly one of --ratio (a share) and --count (rows)")
    if count is not None:
        if count < 1:
            raise InfeasibleBudget(f"--count {count} keeps nothing; ask for at least 1 row")
        return Budget(count=count)
    try:
        share = Decimal(str(ratio))
    except InvalidOperation as error:
        raise InvalidParameter(f"--ratio '{ratio}' is no number") from error
    if not (share.is_finite() and 0 < share <= 1):
        raise InfeasibleBudget(f"--ratio {ratio} is outside (0, 1]; a tenth is 0.1")
    return Budget(ratio=share)
