"""`methods`: what there is to know of a method before running it, read from its file."""

import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin, get_type_hints

from coreset_cli.commands.register import canonical_name, method_class, method_names
from coreset_cli.commands.select_score import selector_of

__all__ = ["Card", "Parameter", "all_cards", "card_of", "markdown_table"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One `--set name=value`.

    Args:
        name: of the field.
        type: the choices, or the kind of number.
        default: its value when not set.
        meaning: from the docstring.
    """

    name: str
    type: str
    default: str | int | float | bool | None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """What there is to know of a method before running it.

    Args:
        name: on the command line.
        summary: one sentence.
        needs: what it reads with default parameters.
        exact: the same picks for any threads, blocks, storage and order of rows.
        prefix: with default parameters, the first rows are the smaller selection.
        cost: time and memory in n rows, d values a row, k picks.
        robustness: what it does with corrupted rows.
        source: where it was published.
        deviates: where it differs from there.
        parameters: what `--set` takes.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    exact: bool
    prefix: bool
    cost: str
    robustness: str
    source: str
    deviates: str
    parameters: tuple[Parameter, ...]

    @property
    def order(self) -> str:
        """The order of the time it takes, as `O(n d)`."""
        return self.cost.partition(" time")[0]


def card_of(name: str) -> Card:
    """Read a method's card from its file: docstrings and fields.

    Raises:
        UnknownMethod: no method has this name.
    """
    name = canonical_name(name)
    found = method_class(name)
    method = found()
    selector = selector_of(method)
    told = _sections(inspect.getdoc(sys.modules[found.__module__]) or "")
    meanings = _arguments(inspect.getdoc(found) or "")
    hints = get_type_hints(found)
    return Card(
        name=name,
        summary=told[""],
        needs=tuple(sorted(selector.needs)),
        exact=selector.exact,
        prefix=selector.prefix,
        cost=told.get("Cost", ""),
        robustness=told.get("Robustness", ""),
        source=told.get("Source", ""),
        deviates=told.get("Deviates", ""),
        parameters=tuple(
            Parameter(
                name=field.name,
                type=_type_text(hints[field.name]),
                default=getattr(method, field.name),
                meaning=meanings.get(field.name, ""),
            )
            for field in fields(found)
        ),
    )


def all_cards() -> list[Card]:
    """The cards of all methods, by name."""
    return [card_of(name) for name in method_names()]


def markdown_table() -> str:
    """The table of all methods as README has it; it ends with a line break."""
    rows = [
        [f"`{card.name}`", card.summary, _names(card.needs), f"`{card.order}`", _yes(card.exact)]
        for card in all_cards()
    ]
    heads = ["method", "what it does", "needs", "time", "exact"]
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_escaped(line))} |\n" for line in lines)


def _escaped(cells: Iterable[str]) -> list[str]:
    return [cell.replace("|", "\\|") for cell in cells]


def _names(needs: tuple[str, ...]) -> str:
    return ", ".join(needs) or "ids alone"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _sections(text: str) -> dict[str, str]:
    """The first paragraph, and what follows `Source:`, `Cost:` and the like."""
    found = re.split(r"^(Source|Cost|Robustness|Deviates): ", text, flags=re.MULTILINE)
    named = dict(zip(found[1::2], found[2::2], strict=True))
    return {key: " ".join(part.split()) for key, part in {"": found[0], **named}.items()}


def _arguments(text: str) -> dict[str, str]:
    """Meaning of each field, from the `Args:` of a class docstring."""
    found = re.split(r"^ {4}(\w+): ", text.partition("Args:")[2], flags=re.MULTILINE)
    return {
        name: " ".join(part.split()) for name, part in zip(found[1::2], found[2::2], strict=True)
    }


def _type_text(kind: object) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    return getattr(kind, "__name__", str(kind))
