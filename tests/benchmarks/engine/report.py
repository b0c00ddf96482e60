"""Markdown on stdout, line by line: what was measured stays if the rest is interrupted."""

from collections.abc import Sequence
from typing import TextIO

__all__ = ["Copy", "heading", "ratio", "row", "say", "seconds", "table"]


class Copy:
    """A stream that writes to a screen and to a file.

    Args:
        screen: where the output goes anyway.
        file: ends up with exactly the same.
    """

    def __init__(self, screen: TextIO, file: TextIO) -> None:
        self._screen = screen
        self._file = file

    def write(self, text: str) -> int:
        """Both."""
        self._file.write(text)
        return self._screen.write(text)

    def flush(self) -> None:
        """Both."""
        self._file.flush()
        self._screen.flush()


def say(text: str) -> None:
    """A paragraph."""
    print(f"{text}\n", flush=True)


def heading(title: str, text: str) -> None:
    """A section and what its table means."""
    say(f"## {title}\n\n{text}")


def table(columns: Sequence[str], *, words: int = 1) -> None:
    """Begin a table.

    Args:
        columns: names of all columns.
        words: how many columns, from the left, hold words; the others hold numbers.
    """
    row(*columns)
    print(f"|{' :-- |' * words}{' --: |' * (len(columns) - words)}", flush=True)


def row(*cells: object) -> None:
    """A line of the table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def seconds(value: float) -> str:
    """Seconds, to three digits."""
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"


def ratio(value: float) -> str:
    """How many times, to two or three digits."""
    return f"{value:.2f} ×" if value < 10 else f"{value:,.0f} ×"
