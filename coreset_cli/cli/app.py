"""The command line: its commands, its settings, its exit codes."""

import signal
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from coreset_cli import __version__
from coreset_cli.cli import report
from coreset_cli.cli.config import find_config, read_config
from coreset_cli.cli.evaluate import evaluate
from coreset_cli.cli.info import info
from coreset_cli.cli.methods import methods
from coreset_cli.cli.select import select
from coreset_cli.cli.take import take
from coreset_cli.errors import CoresetError

__all__ = ["build", "run"]

BUG, INTERRUPTED, TERMINATED = 70, 130, 143


class Terminated(BaseException):
    """SIGTERM came; temporary files are removed on the way out."""


class _Group(TyperGroup):
    """Where every error becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (as the class above it)
        """Run a command with the defaults of the configuration file."""
        try:
            ctx.default_map = _defaults(self)
            return super().invoke(ctx)
        except CoresetError as error:
            report.error(str(error))
            code = error.exit_code
        except KeyboardInterrupt:
            report.error("interrupted; nothing half-written is left")
            code = INTERRUPTED
        except Terminated:
            report.error("terminated; nothing half-written is left")
            code = TERMINATED
        raise typer.Exit(code)


def build() -> TyperGroup:
    """The commands, every option with its environment variable `CORESET_<COMMAND>_<OPTION>`."""
    app = typer.Typer(
        cls=_Group,
        name="coreset",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Pick the rows worth training on, even when half of the data is corrupted.",
        epilog="Every option can also be set as CORESET_<COMMAND>_<OPTION>, or under [<command>] "
        "in coreset.toml or [tool.coreset.<command>] in pyproject.toml.",
    )
    app.callback()(_main)
    for command in (select, take, evaluate, methods, info):
        app.command()(command)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        for parameter in command.params:
            if isinstance(parameter, TyperOption):
                parameter.envvar = f"CORESET_{name}_{option_name(parameter)}".upper()
    return group


def option_name(parameter: TyperOption) -> str:
    """The name of an option in variables and files: its first long flag, with underscores."""
    long = next(flag for flag in parameter.opts if flag.startswith("--"))
    return long.removeprefix("--").replace("-", "_")


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        build().main(arguments, prog_name="coreset", standalone_mode=True)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except Exception:  # noqa: BLE001 (a bug: show it whole and ask for a report)
        traceback.print_exc()
        report.error(
            f"this is a bug in coreset {__version__}; please report it with the lines above"
        )
        return BUG
    return 0


def _show_version(value: bool) -> None:
    if value:
        report.write_out([f"coreset {__version__}"])
        raise typer.Exit


def _main(
    version: bool = typer.Option(
        False,
        "--version",
        is_eager=True,
        callback=_show_version,
        help="Print the version and exit.",
    ),
) -> None:
    """Pick the rows worth training on, even when half of the data is corrupted."""


def _defaults(group: TyperGroup) -> dict[str, dict[str, Any]]:
    path = find_config(Path.cwd())
    if path is None:
        return {}
    commands = {
        name: {option_name(p): str(p.name) for p in command.params if isinstance(p, TyperOption)}
        for name, command in group.commands.items()
    }
    found = read_config(path, commands)
    return {
        name: {commands[name][key]: value for key, value in table.items()}
        for name, table in found.items()
    }


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
