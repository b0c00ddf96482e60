"""How much of what: `KIND=FRACTION` texts, and the rows each kind hits."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter, did_you_mean
from coreset_cli.kernels.shares import floored_share, rounded_share
from coreset_cli.seeds import Key, Rng

__all__ = ["Dose", "counts", "drawn", "parse_doses"]


@dataclass(frozen=True)
class Dose:
    """A kind of corruption and the share of the rows it hits.

    Args:
        kind: its name.
        share: in [0, 1], as the user typed it.
    """

    kind: str
    share: Decimal


def parse_doses(texts: Sequence[str], kinds: Sequence[str], option: str) -> tuple[Dose, ...]:
    """Read `KIND=FRACTION` texts.

    Args:
        texts: as typed, in order.
        kinds: names there are.
        option: where they stand, for messages.

    Raises:
        InvalidParameter: no such kind, one twice, no fraction, or more than all rows.
    """
    doses: dict[str, Dose] = {}
    for text in texts:
        typed, equals, share = text.partition("=")
        kind = typed.strip().lower().replace("_", "-")
        if kind not in kinds:
            hint = did_you_mean(kind, kinds) or f"; there are {', '.join(kinds)}"
            raise InvalidParameter(f"{option}: unknown kind '{typed}'{hint}")
        if not equals:
            raise InvalidParameter(f"{option} {text} says not how much; write {kind}=0.2")
        if kind in doses:
            raise InvalidParameter(f"{option} {kind} is given twice; add the fractions up")
        doses[kind] = Dose(kind, _share(share, f"{option} {text}"))
    total = sum(dose.share for dose in doses.values())
    if total > 1:
        raise InvalidParameter(
            f"{option}: the fractions add up to {total}; kinds hit different rows, so at most 1"
        )
    return tuple(doses.values())


def counts(doses: Sequence[Dose], n: int, what: str) -> list[int]:
    """Rows of each kind: ⌊share·n + ½⌋ images, or ⌊share·n⌋ vectors, as such attacks go.

    Fractions that add up to 1 may round to more than n rows: then the last kinds get fewer.
    """
    part = floored_share if what == "vectors" else rounded_share
    left, found = n, []
    for dose in doses:
        found.append(min(left, part(dose.share, n)))
        left -= found[-1]
    return found


def drawn(
    doses: Sequence[Dose], key: Key, seed: int, what: str
) -> list[tuple[str, NDArray[np.int64]]]:
    """Rows of each kind in the order drawn; no row is drawn twice.

    The draw knows the kinds and not the fractions: at the same seed, the rows of a small fraction
    of one kind are among those of a large one.

    Args:
        doses: what was asked for.
        key: of the ids.
        seed: of the run.
        what: is damaged, `images` or `vectors`; part of the purpose of the draw.
    """
    kinds = "+".join(dose.kind for dose in doses)
    order = Rng(seed).shuffled(f"corrupt {what} {kinds}", key)
    bounds = np.cumsum([0, *counts(doses, len(key), what)])
    return [
        (dose.kind, order[first:stop])
        for dose, first, stop in zip(doses, bounds, bounds[1:], strict=False)
    ]


def _share(text: str, name: str) -> Decimal:
    try:
        share = Decimal(text.strip())
    except InvalidOperation as error:
        raise InvalidParameter(f"{name}: '{text}' is no number; a fifth is 0.2") from error
    if not (share.is_finite() and 0 <= share <= 1):
        raise InvalidParameter(f"{name} is outside [0, 1]; a fifth is 0.2")
    return share
