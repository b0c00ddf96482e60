"""Label noise of exact counts: which rows, and the class that each of them gets.

The class that a row gets depends on the seed, the kind and its id alone; the rows of a small share
are among those of a large one.

Sources: symmetric as in Xia et al., "Moderate coreset", ICLR 2023; pair-flip as in Han et al.,
"Co-teaching", NeurIPS 2018, who use it for shares below a half; trid as in Xia et al., "Robust
early-learning", ICLR 2021.
Deviates: counts are exact, where those codes draw for each row on its own.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.labels import Labels
from coreset_cli.corruption.transitions import transition_of
from coreset_cli.errors import InvalidParameter, did_you_mean
from coreset_cli.kernels.apportion import largest_remainders
from coreset_cli.kernels.groups import members
from coreset_cli.kernels.shares import rounded_share
from coreset_cli.seeds import Key, Rng

__all__ = ["KINDS", "LabelOptions", "corrupt_labels"]

KINDS = ("symmetric", "symmetric-inclusive", "pair-flip", "asymmetric", "trid")
"""What a row gets: any other class, any class, the next, the one it is taken for, a neighbour."""

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Parameters of label noise.

    Args:
        per_class: the share is taken of each class, by largest remainder, instead of all rows.
        transition: for asymmetric: cifar10, mnist, or pairs of labels as 9>1,2>0.
    """

    per_class: bool = False
    transition: str | None = None


def corrupt_labels(
    labels: Labels,
    kind: str,
    *,
    share: Decimal,
    key: Key,
    seed: int,
    options: LabelOptions,
) -> tuple[Codes, NDArray[np.bool_]]:
    """Give ⌊share·m + ½⌋ of the m eligible rows, drawn without replacement, another class.

    All rows are eligible; for asymmetric noise, those of the classes that are taken for another.
    `symmetric-inclusive` may draw the class that a row has: then the row is not changed.

    Args:
        labels: n labels.
        kind: one of `KINDS`.
        share: in [0, 1].
        key: of the ids of the rows.
        seed: of the run.
        options: parameters.

    Returns:
        [n] class of each row, and [n] which of them are another than before.

    Raises:
        InvalidParameter: no such kind, fewer than two classes, or no usable transition.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise InvalidParameter(f"unknown label noise '{kind}'{hint}")
    if len(labels.names) < 2:
        raise InvalidParameter(
            f"label noise needs at least two classes, and all rows are '{labels.names[0]}'; "
            "name another column with --label"
        )
    if options.transition is not None and kind != "asymmetric":
        raise InvalidParameter(f"transition is for asymmetric noise, not for {kind}; leave it out")
    classes = len(labels.names)
    target, eligible = np.arange(classes), np.ones(len(labels), bool)
    if kind == "asymmetric":
        taken_for = transition_of(options.transition, labels.names)
        target[list(taken_for)] = list(taken_for.values())
        eligible = (target != np.arange(classes))[labels.codes]
    rng = Rng(seed)
    order = rng.shuffled(f"corrupt labels {kind}", key)
    rows = _first(share, order[eligible[order]], labels, per_class=options.per_class)
    words = rng.draws(f"corrupt labels {kind} class", key.take(rows))
    codes = labels.codes.copy()
    codes[rows] = _another(kind, codes[rows], words, target)
    return codes, codes != labels.codes


def _first(share: Decimal, order: Codes, labels: Labels, *, per_class: bool) -> Codes:
    """The first rows of all, or the first of each class."""
    if not per_class:
        return order[: rounded_share(share, len(order))]
    own = members(labels.codes[order], len(labels.names))
    quotas = largest_remainders(share, np.array([len(places) for places in own]))
    kept = [places[:quota] for places, quota in zip(own, quotas, strict=True)]
    return order[np.concatenate(kept)]


def _another(kind: str, old: Codes, words: NDArray[np.uint64], target: Codes) -> Codes:
    """The class that each row gets.

    A remainder of a 64-bit word makes one class likelier than another by less than 2⁻⁵⁰ of the
    words as long as there are fewer than 2¹⁴ classes.
    """
    classes = len(target)
    match kind:
        case "symmetric":
            return (old + 1 + _below(words, classes - 1)) % classes
        case "symmetric-inclusive":
            return _below(words, classes)
        case "pair-flip":
            return (old + 1) % classes
        case "trid":
            return (old + 2 * _below(words, 2) - 1) % classes
        case _:
            return target[old]


def _below(words: NDArray[np.uint64], limit: int) -> Codes:
    return (words % np.uint64(limit)).astype(np.int64)
