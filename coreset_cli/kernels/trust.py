"""How much a row with its label is to be trusted."""

import numpy as np
from jaxtyping import Float, Int64
from numpy.typing import NDArray

from coreset_cli.kernels.copies import first_of_copies
from coreset_cli.kernels.discriminant import HeldOut, held_out_models
from coreset_cli.kernels.majority import claimed_by_all, claimed_by_class
from coreset_cli.kernels.mislabelling import fitted
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.sample import sampled

__all__ = ["trusts"]

SAMPLE_ROWS = 20_000
"""Rows, chosen by id hash, that say how labels come about: shares of them to 1 %."""

SAMPLE_VALUES = 1 << 22
"""Logits of these rows, at most: they are held in double precision."""


def trusts(
    points: Points, codes: NDArray[np.int64] | None, reach: float
) -> Float[np.ndarray, " n"]:
    """Probability that the label of a row is right; 0 for rows that nothing claims.

    Copies of a row count once in all that is estimated. Rows that are near to all but not to their
    class are in no model, as they may be outliers, and are counted in the shares: most have wrong
    labels, and what is left without them looks like classes that overlap. Without labels, rows that
    the majority claims are at 1.

    Args:
        points: n rows.
        codes: [n] class of each, where there are classes.
        reach: see `claimed_by_all`.
    """
    use = first_of_copies(points)
    near = claimed_by_all(points, codes, use, reach)
    if codes is None:
        return near.astype(np.float64)
    whole = claimed_by_class(points, codes, near, use, reach)
    c = int(codes.max()) + 1
    models, fold = held_out_models(points, codes, c, whole & use)
    labels = fitted(*_sampled(points, codes, models, fold, np.flatnonzero(near & use)))
    trust = np.zeros(points.n)
    rows = np.flatnonzero(whole)
    for start, block in models.logits(points.subset(rows), fold[rows]):
        some = rows[start : start + len(block)]
        trust[some] = labels.right(block.cpu().numpy(), codes[some])
    return trust


def _sampled(
    points: Points,
    codes: NDArray[np.int64],
    models: HeldOut,
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[Float[np.ndarray, "m c"], Int64[np.ndarray, " m"]]:
    """Logits and labels of some of the rows."""
    c = models.offsets.shape[1]
    few = rows[sampled(points.key.take(rows), min(SAMPLE_ROWS, max(1, SAMPLE_VALUES // c)))]
    found = np.empty((len(few), c))
    for start, block in models.logits(points.subset(few), fold[few]):
        found[start : start + len(block)] = block.cpu().numpy()
    return found, codes[few]
