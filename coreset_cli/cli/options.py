"""Options shared by commands, as annotated types."""

from enum import Enum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

__all__ = [
    "Balance",
    "Column",
    "Count",
    "Device",
    "DryRun",
    "Force",
    "Id",
    "Json",
    "Label",
    "MaxMemory",
    "Method",
    "MinPerClass",
    "Output",
    "Quiet",
    "Root",
    "Seed",
    "Settings",
    "Signals",
]


def complete_balance(incomplete: str) -> list[str]:
    """Ways to share a budget, for the shell to complete."""
    return [
        name for name in ("none", "proportional", "equal", "cvar") if name.startswith(incomplete)
    ]


def complete_method(incomplete: str) -> list[str]:
    """Names of methods for the shell to complete; the folder is listed, nothing is imported."""
    from coreset_cli.commands.register import method_names

    return [name for name in method_names() if name.startswith(incomplete)]


Balance = Annotated[
    str | None,
    typer.Option(
        "--balance",
        metavar="NAME[:SETTING=VALUE,…]",
        help="How classes share the budget: none, proportional or equal; or cvar, as in "
        "cvar:groups=4,level=0.2,mix=0.5,trim=0: more for groups that are predicted badly, wrong "
        "labels among them unless trimmed. [default: proportional where labels exist]",
        autocompletion=complete_balance,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        "-m",
        metavar="NAME",
        help="See `coreset methods`.",
        autocompletion=complete_method,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all draws.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:i.")]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an output that is there.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be read and what it would cost.")
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory the process may use, as 8G; never changes a pick. [default: 80 % of the free]",
    ),
]
Id = Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Column of ids.")]
Label = Annotated[
    str | None,
    typer.Option("--label", metavar="COLUMN|FILE", help="Column, or file, of class labels."),
]
Column = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="Column of vectors, or array of an .npz."),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Folder of data sets known by name, as cifar10:train. [default: $CORESET_DATA_DIR]",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A method's parameter; repeatable."),
]
Signals = Annotated[
    str | None,
    typer.Option(
        "--signals",
        metavar="FILE|probe:NAME=VALUE",
        help="Signals of `evaluate --record`, a table of scores, or settings of the probe.",
    ),
]
Count = Annotated[int | None, typer.Option("--count", "-k", help="Rows to keep.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here.")]
MinPerClass = Annotated[
    int, typer.Option("--min-per-class", min=0, help="Rows every class keeps at least.")
]


class Sort(Enum):
    """Order of an index list."""

    rank = "rank"
    index = "index"


A = TypeVar("A")
B = TypeVar("B")


def higher_of(
    context: typer.Context, first: tuple[str, A | None], second: tuple[str, B | None]
) -> tuple[A | None, B | None]:
    """Of two options that exclude each other, silence the one given at the lower level.

    A flag stands above the environment, the environment above a file. Both at one level stay, and
    are refused where they are used.
    """
    levels = ["COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP"]

    def level(name: str) -> int:
        source = context.get_parameter_source(name)
        return levels.index(source.name) if source is not None and source.name in levels else 9

    if first[1] is None or second[1] is None or level(first[0]) == level(second[0]):
        return first[1], second[1]
    return (first[1], None) if level(first[0]) < level(second[0]) else (None, second[1])
