"""How a run ends: its exit code, and the one line that says why."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from typer.core import TyperArgument, TyperOption

from coreset_cli import __version__
from coreset_cli.cli import report
from coreset_cli.errors import CoresetError, did_you_mean

__all__ = ["exit_code_of"]

USAGE, BUG = 2, 70

STOPS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""Signals that end a run, and what they are called."""


class _Stopped(BaseException):
    """A signal came; temporary files are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command; every way it can end becomes a line on stderr and an exit code."""
    stdout = sys.stdout
    try:
        with _stoppable():
            code = command()
    except CoresetError as error:
        report.error(str(error))
        return error.exit_code
    except typer.TyperException as error:
        report.error(_usage(error))
        return USAGE
    except _Stopped as stop:
        report.error(f"{STOPS[signal.Signals(stop.number)]}; nothing half-written is left")
        return 128 + stop.number
    except SystemExit as left:
        closed_pipe = sys.stdout is not stdout  # typer puts another there: the reader has gone
        return left.code if isinstance(left.code, int) and not closed_pipe else 0
    except Exception:  # noqa: BLE001 (a bug: show it whole and ask for a report)
        report.note(traceback.format_exc())
        report.error(
            f"this is a bug in coreset {__version__}; please report it with the lines above"
        )
        return BUG
    return code if isinstance(code, int) else 0


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn signals into an exception, except those that whoever started us wants ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    for again in STOPS:
        signal.signal(again, signal.SIG_IGN)  # a second one must not cut the tidying short
    raise _Stopped(number)


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the words, where they came from, and where to look."""
    text = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        text = error.message + did_you_mean(option, error.possibilities or [])
    context = getattr(error, "ctx", None)
    if context is not None:
        text += _origin(context, getattr(error, "param", None))
        if not text.endswith("?"):
            text += f"; see {context.command_path} --help"
    return text[0].lower() + text[1:]


def _origin(context: typer.Context, parameter: TyperOption | TyperArgument | None) -> str:
    """Where a value came from that was not typed on the command line."""
    source = parameter and parameter.name and context.get_parameter_source(parameter.name)
    if parameter is None or not source:
        return ""
    if source.name == "ENVIRONMENT":
        return f" (from {parameter.envvar}={os.environ[str(parameter.envvar)]})"
    return f" (from {context.find_root().obj})" if source.name == "DEFAULT_MAP" else ""
