"""The command line: its commands, their settings, and completion in the shell."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from coreset_cli import __version__
from coreset_cli.cli import report
from coreset_cli.cli.config import find_config, option_name, read_config
from coreset_cli.cli.corrupt import corrupt
from coreset_cli.cli.distill import distill
from coreset_cli.cli.embed import embed
from coreset_cli.cli.evaluate import evaluate
from coreset_cli.cli.info import info
from coreset_cli.cli.methods import methods
from coreset_cli.cli.outcome import exit_code_of
from coreset_cli.cli.select import select
from coreset_cli.cli.take import take

__all__ = ["build", "run"]

COMMANDS = (embed, corrupt, select, take, evaluate, distill, methods, info)
NAME = "coreset"


class Shell(Enum):
    """Shells that completion is written for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


class _Group(TyperGroup):
    """The commands, with defaults from the configuration file."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (as the class above it)
        """Run a command; the file is read only now, so that `--help` never fails on it."""
        path = find_config(Path.cwd())
        if path is not None:
            options = {name: _options(command) for name, command in self.commands.items()}
            ctx.default_map = read_config(path, options)
            ctx.obj = path
        return super().invoke(ctx)


def build() -> TyperGroup:
    """The commands, every option with its environment variable `CORESET_<COMMAND>_<OPTION>`."""
    app = typer.Typer(
        cls=_Group,
        name=NAME,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Pick the rows worth training on, even when half of the data is corrupted.",
        epilog="Every option can also be set as CORESET_<COMMAND>_<OPTION> (values of a repeatable "
        "one apart by spaces), or under [<command>] in coreset.toml or [tool.coreset.<command>] "
        "in pyproject.toml. A flag goes before the environment, the environment before a file.",
    )
    app.callback()(_main)
    for command in COMMANDS:
        app.command()(command)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    # typer's own --show-completion guesses the shell from the process tree: not in CI, not in pipes
    group.params = [parameter for parameter in group.params if parameter.name != "show_completion"]
    for name, command in group.commands.items():
        for option in _options(command):
            option.envvar = f"{NAME}_{name}_{option_name(option)}".upper()
            option.show_envvar = False
    return group


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code_of(lambda: build().main(arguments, prog_name=NAME, standalone_mode=False))


def _options(command: Any) -> list[TyperOption]:  # noqa: ANN401 (typer keeps its class private)
    return [parameter for parameter in command.params if isinstance(parameter, TyperOption)]


def _show_version(value: bool) -> None:
    if value:
        report.write_out([f"coreset {__version__}"])
        raise typer.Exit


def _show_completion(context: typer.Context, shell: Shell | None) -> None:
    if shell is not None:
        from typer.completion import shell_complete

        instruction = f"source_{shell.value}"
        raise typer.Exit(
            shell_complete(context.command, {}, NAME, f"_{NAME}_COMPLETE".upper(), instruction)
        )


def _main(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Print the version and exit."
        ),
    ] = False,
    script: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion",
            is_eager=True,
            callback=_show_completion,
            help='Print completion for a shell, as in: eval "$(coreset --show-completion bash)"',
        ),
    ] = None,
) -> None:
    """Pick the rows worth training on, even when half of the data is corrupted."""
    if context.invoked_subcommand is None:
        report.note(context.get_help())
        raise typer.Exit(2)
