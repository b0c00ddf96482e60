"""How much a row with its label is to be trusted."""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from coreset_cli.kernels.copies import first_of_copies
from coreset_cli.kernels.discriminant import held_out_models
from coreset_cli.kernels.majority import claimed
from coreset_cli.kernels.mislabelling import fitted
from coreset_cli.kernels.points import Points

__all__ = ["trusts"]

SAMPLE_ROWS = 20_000
"""Rows, chosen by id hash, that say how labels come about."""


def trusts(
    points: Points, codes: NDArray[np.int64] | None, reach: float
) -> Float[np.ndarray, " n"]:
    """Probability that the label of a row is right; 0 for rows that nothing claims.

    Copies of a row count once in all that is estimated. Without labels, rows that something claims
    are at 1.

    Args:
        points: n rows.
        codes: [n] class of each, where there are classes.
        reach: see `claimed`.
    """
    use = first_of_copies(points)
    whole = claimed(points, codes, reach)
    if codes is None:
        return whole.astype(np.float64)
    c = int(codes.max()) + 1
    models, fold = held_out_models(points, codes, c, whole & use)
    rows = np.flatnonzero(whole & use)
    few = rows[np.lexsort((points.key.rank[rows], points.key.hash[rows]))[:SAMPLE_ROWS]]
    found = np.empty((len(few), c))
    for start, block in models.logits(points.subset(few), fold[few]):
        found[start : start + len(block)] = block.cpu().numpy()
    labels = fitted(found, codes[few])
    trust = np.zeros(points.n)
    trust[few] = labels.right(found, codes[few])
    rest = np.setdiff1d(np.flatnonzero(whole), few)
    if len(rest):
        for start, block in models.logits(points.subset(rest), fold[rest]):
            some = rest[start : start + len(block)]
            trust[some] = labels.right(block.cpu().numpy(), codes[some])
    return trust
