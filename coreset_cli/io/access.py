"""Why a file cannot be read, in a user's words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coreset_cli.errors import FileMissing

__all__ = ["is_folder", "read_errors"]


@contextmanager
def read_errors(path: Path | str) -> Iterator[None]:
    """Translate what the system says of a path that cannot be read.

    Raises:
        FileMissing: no such file, a folder, or one that may not be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(f"no such file: {path}") from error
    except IsADirectoryError as error:
        raise FileMissing(f"{path} is a folder; name a file in it") from error
    except OSError as error:
        if error.errno is None:  # Arrow's word for a broken file, not the system's
            raise
        reason = os.strerror(error.errno)
        raise FileMissing(f"cannot read {path}: {reason}; check the path and its rights") from error


def is_folder(path: Path) -> bool:
    """Whether the path is a folder.

    Raises:
        FileMissing: the system refuses to look.
    """
    with read_errors(path):
        return path.is_dir()
