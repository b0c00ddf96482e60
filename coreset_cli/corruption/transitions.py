"""Which class is taken for which: maps for asymmetric label noise.

Source: Patrini et al., "Making deep neural networks robust to label noise: a loss correction
approach", CVPR 2017, section 5.
"""

from types import MappingProxyType

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["TRANSITIONS", "transition_of"]

TRANSITIONS = MappingProxyType(
    {
        "cifar10": (
            "9>1,2>0,4>7,3>5,5>3",
            "truck>automobile,bird>airplane,deer>horse,cat>dog,dog>cat",
        ),
        "mnist": ("7>1,2>7,5>6,6>5,3>8",),
    }
)
"""Pairs of each data set, for labels that are numbers and for those that are words."""


def transition_of(text: str | None, names: tuple[str, ...]) -> dict[int, int]:
    """The class that each confused class becomes.

    Args:
        text: a data set, or pairs of labels as `9>1,2>0`.
        names: [c] the label of each class.

    Raises:
        InvalidParameter: nothing, no pairs, or classes that the labels do not have.
    """
    if text is None:
        raise InvalidParameter(
            "asymmetric noise takes one class for another: say which with "
            f"transition={'|'.join(TRANSITIONS)} or pairs, as transition='9>1,2>0'"
        )
    word = text.strip().lower().replace("-", "")
    if word == "cifar100":
        raise InvalidParameter(
            "asymmetric noise on CIFAR-100 stays inside the 20 super-classes, which need the "
            "coarse labels; write the pairs out, as transition='4>30,30>55'"
        )
    codes = {name: code for code, name in enumerate(names)}
    spellings = [_pairs(pairs) for pairs in TRANSITIONS.get(word, (text,))]
    fitting = [pairs for pairs in spellings if all({a, b} <= codes.keys() for a, b in pairs)]
    if not fitting:
        missing = next(name for pair in spellings[0] for name in pair if name not in codes)
        hint = did_you_mean(missing, names) or f"; there are {', '.join(names[:10])}" + (
            f" and {len(names) - 10} more" if len(names) > 10 else ""
        )
        raise InvalidParameter(f"transition={text}: no class '{missing}' among the labels{hint}")
    return {codes[source]: codes[target] for source, target in fitting[0]}


def _pairs(text: str) -> list[tuple[str, str]]:
    """Pairs of different labels; no label is the first of two."""
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        source, arrow, target = (piece.strip() for piece in part.partition(">"))
        if not (arrow and source and target):
            hint = did_you_mean(text.strip(), TRANSITIONS)
            raise InvalidParameter(
                f"transition={text}: '{part}' is no pair of labels such as 9>1, and no data set "
                f"among {', '.join(TRANSITIONS)}{hint}"
            )
        if source == target:
            raise InvalidParameter(f"transition={text}: '{part}' leaves the label as it is")
        if source in dict(pairs):
            raise InvalidParameter(f"transition={text}: '{source}' becomes two labels")
        pairs.append((source, target))
    return pairs
