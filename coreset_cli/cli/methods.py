"""Words of `coreset methods`."""

import json
import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from coreset_cli.cli import options, report

if TYPE_CHECKING:
    from coreset_cli.commands.methods import Card

__all__ = ["methods"]

HEADS = ("name", "needs", "exact", "prefix", "time", "what it does")

ROOM = 110
"""Columns of a terminal below which only names and sentences are shown."""


def methods(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Show all of one method.",
            autocompletion=options.complete_method,
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the methods, or show one: needs, cost, parameters, exactness, source."""
    from coreset_cli.commands.register import canonical_name

    wanted = None if name is None else canonical_name(name)

    from coreset_cli.commands.methods import all_cards, card_of

    width = _terminal_width()
    if wanted is not None:
        card = card_of(wanted)
        report.write_out([_as_json(asdict(card))] if as_json else _card_lines(card, width))
        return
    cards = all_cards()
    if as_json:
        report.write_out([_as_json({"methods": [asdict(card) for card in cards]})])
    elif width is None:
        report.write_out("\t".join(row) for row in (HEADS, *map(_row, cards)))
    else:
        report.write_out(_table(cards, width))


def _terminal_width() -> int | None:
    """Columns of the terminal that stdout is, if it is one; a pipe has no width."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    return Console().width


def _as_json(record: dict[str, object]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False)


def _row(card: "Card") -> tuple[str, ...]:
    needs = ", ".join(card.needs) or "-"
    return (card.name, needs, _yes(card.exact), _yes(card.prefix), card.order, card.summary)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(cards: list["Card"], width: int) -> list[str]:
    """The table as lines that fit a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = range(len(HEADS)) if width >= ROOM else (0, len(HEADS) - 1)
    table = Table(*(HEADS[column] for column in shown), box=box.SIMPLE_HEAD)
    table.columns[0].no_wrap = True
    for card in cards:
        row = _row(card)
        table.add_row(*(row[column] for column in shown))
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()


def _card_lines(card: "Card", width: int | None) -> list[str]:
    """One line a fact, wrapped where a terminal is narrower."""
    facts = [
        ("needs", ", ".join(card.needs) or "ids alone"),
        ("exact", f"{_yes(card.exact)}: {_EXACT[card.exact]}"),
        ("prefix", f"{_yes(card.prefix)}: {_PREFIX[card.prefix]}"),
        ("cost", card.cost),
        ("robustness", card.robustness),
        ("source", card.source),
        ("deviates", card.deviates),
    ]
    lines = [card.name, _wrapped(card.summary, 0, width), ""]
    lines += [_wrapped(f"{head:<12}{text}", 12, width) for head, text in facts if text]
    for parameter in card.parameters:
        head = f"--set {parameter.name}={parameter.default}  ({parameter.type})"
        lines += ["", head, _wrapped(f"{'':<12}{parameter.meaning}", 12, width)]
    return lines


_EXACT = {
    True: "the same picks for any number of threads, block size, storage and order of rows",
    False: "the same picks on the same machine and versions",
}
_PREFIX = {
    True: "the first rows of a selection are the smaller selection",
    False: "a smaller selection has other rows",
}


def _wrapped(text: str, indent: int, width: int | None) -> str:
    if width is None:
        return text
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)
