"""The only place that prints: data to stdout, everything else to stderr."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from coreset_cli.io.atomic import disk_errors

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Watcher", "error", "note", "warn", "write_out"]

LINE_SECONDS = 30.0
"""Time between two lines of progress where stderr is no terminal."""

BAR_WIDTH = 14
"""Leaves room for a billion rows out of a billion, and their rate, on 80 columns."""


def write_out(lines: Iterable[str]) -> None:
    """Write data to stdout; a reader that has seen enough is no failure.

    Raises:
        DiskFull: stdout is a file, and there is no space left.
    """
    with disk_errors("stdout"):
        _write(sys.stdout, lines)


def note(text: str) -> None:
    """A line on stderr."""
    _write(sys.stderr, [text])


def warn(text: str) -> None:
    """A warning on stderr."""
    note(f"warning: {text}")


def error(text: str) -> None:
    """The one line a failed run ends with."""
    note(f"error: {text}")


def _write(stream: TextIO | None, lines: Iterable[str]) -> None:
    if stream is None:  # closed before we were started
        return
    try:
        for line in lines:
            stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        _drain(stream)
    except OSError:
        _drain(stream)
        raise


def _drain(stream: TextIO) -> None:
    """Send what is left in the buffer nowhere, or the interpreter fails on it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Watcher:
    """Shows the stages of long work: a bar on a terminal, else a line every half minute.

    Args:
        quiet: show nothing.
        every: seconds between two lines where stderr is no terminal.
    """

    def __init__(self, *, quiet: bool, every: float = LINE_SECONDS) -> None:
        self.quiet = quiet
        self.every = every
        self._bar: Progress | None = None
        self._task: TaskID
        self._stage = ""
        self._since = self._said = time.monotonic()
        self._before = 0  # done when the pace began to be taken: neither preparing nor earlier work

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Take note of `done` out of `total` of a stage, and of what else there is to see."""
        if self.quiet:
            return
        if stage != self._stage:
            self._begin(stage, total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, detail=detail)
            return
        now = time.monotonic()
        if done and not self._before:
            self._since, self._before = now, done
        if now - self._said >= self.every:
            self._said = now
            made = done - self._before
            left = f", {_left(now - self._since, made, total - done)}" if made else ""
            shown = f", {detail}" if detail else ""
            note(f"{stage}: {done:,} of {total:,}{left}{shown}")

    @contextmanager
    def shown(self) -> Iterator["Watcher"]:
        """Take the bar down at the end, whatever happens."""
        try:
            yield self
        finally:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _begin(self, stage: str, total: int) -> None:
        self._stage = stage
        self._since, self._before = time.monotonic(), 0
        if sys.stderr is None or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class Rate(TextColumn):
            """Units a second, once there is a pace."""

            def render(self, task: Task) -> Text:
                return Text("" if task.speed is None else _rate(task.speed))

        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description:<10}"),
                BarColumn(BAR_WIDTH),
                TextColumn("{task.completed:,}/{task.total:,}"),
                TimeRemainingColumn(),
                TextColumn("left"),
                Rate(""),
                TextColumn("{task.fields[detail]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        else:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(stage, total=total, detail="")


def _rate(speed: float) -> str:
    """A pace in few characters: `0.5/s`, `720/s`, `35k/s`, `2M/s`."""
    for unit, size in (("M", 1e6), ("k", 1e4)):
        if speed >= size:
            return f"{speed / (1e6 if unit == 'M' else 1e3):,.0f}{unit}/s"
    return f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s"


def _left(seconds: float, made: int, missing: int) -> str:
    """How long the rest will take at the pace so far: `about 40 s left`, `3 min`, `2 h 5 min`."""
    left = seconds * missing / made
    minutes = round(left / 60)
    if minutes < 2:
        return f"about {left:.0f} s left"
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"about {hours}{minutes % 60} min left"
