"""What stands for a class of real rows: their mean, or a statistic that few rows cannot move.

Sources: geometric median: see `kernels.centre`; trimmed mean: Tukey, "A survey of sampling from
contaminated distributions", 1960, coordinate by coordinate.
"""

from decimal import Decimal
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.rows import numbered
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.shares import floored_share

__all__ = ["Target", "require_trim", "statistic"]

Target = Literal["mean", "gm", "trimmed"]
"""The mean, the geometric median, or the mean of each coordinate without its extreme values."""

STEPS = 100
"""Of the geometric median, at most."""

TOLERANCE = 1e-6
"""Of the geometric median, relative to the usual distance to it."""


def require_trim(trim: float) -> None:
    """Refuse a share that leaves nothing.

    Args:
        trim: cut off at each end.

    Raises:
        InvalidParameter: it is not in [0, 0.5).
    """
    if not 0 <= trim < 0.5:
        raise InvalidParameter(f"trim is {trim}; it is the share cut off at each end, in [0, 0.5)")


def statistic(rows: Float[Tensor, "m e"], target: Target, *, trim: float) -> Float[Tensor, " e"]:
    """The point that stands for some rows; a constant, whatever made the rows.

    Args:
        rows: at least one. Where one is not finite, the mean, which is not either, is the answer.
        target: which point.
        trim: share of the values that `trimmed` cuts off at each end of each coordinate.
    """
    rows = rows.detach()
    if target == "mean" or not rows.isfinite().all():
        return rows.mean(0)
    if target == "trimmed":
        cut = floored_share(Decimal(str(trim)), len(rows))
        return rows.double().sort(0).values[cut : len(rows) - cut].mean(0).to(rows.dtype)
    median = geometric_median(fixed(numbered(rows)), tolerance=TOLERANCE, max_iterations=STEPS)
    return median.point.to(rows)
