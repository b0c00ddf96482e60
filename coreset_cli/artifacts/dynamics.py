"""What training showed: of each row in each epoch, and of the whole network at one moment."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["SERIES", "Dynamics", "FloatArray", "Snapshot"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """Each row in each epoch; NaN, and not correct, where it was not seen.

    Args:
        correct: [n, e] the largest logit is that of the label, ties to the smaller class.
        margin: [n, e] logit of the label less the largest other.
        margin_prob: [n, e] the same with probabilities.
        p_true: [n, e] probability of the label.
        error_norm: [n, e] ‖p − y‖₂.
        drift: [n, e] Σ |p·(log p − log p′)| over classes, p′ being one epoch older; NaN in the
            first.
    """

    correct: NDArray[np.bool_]
    margin: FloatArray
    margin_prob: FloatArray
    p_true: FloatArray
    error_norm: FloatArray
    drift: FloatArray


SERIES = tuple(series.name for series in fields(Dynamics))
"""Names of the signals of an epoch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """A network at one moment, in eval mode, on rows that are not augmented.

    Args:
        epoch: epochs it was trained for.
        logits: [n, c].
        feature: [n, d] input of the last layer.
        weight: [c, d] of the last layer.
        bias: [c].
    """

    epoch: int
    logits: FloatArray
    feature: FloatArray
    weight: FloatArray
    bias: FloatArray
