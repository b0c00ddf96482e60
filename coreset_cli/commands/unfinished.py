"""Folders of unfinished work: whose run it is of, and that no other process works in it."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from coreset_cli.errors import CoresetError, OutputExists, StaleParent
from coreset_cli.io.atomic import disk_errors, write_text

__all__ = ["claimed"]

LOCK = ".lock"


@contextmanager
def claimed(
    folder: Path,
    command: str,
    key: Mapping[str, object],
    *,
    force: bool,
    refusal: type[CoresetError] = StaleParent,
) -> Iterator[None]:
    """Hold the folder of a run: made, or found from a run of the same key that was stopped.

    Args:
        folder: where.
        command: what writes it; the key is kept in a file of this name.
        key: everything that decides the result.
        force: begin again where work of another key is there.
        refusal: what is raised where work of another key is there.

    Raises:
        CoresetError: there is work of another key.
        OutputExists: a folder that is not ours, or that another process works in.
        FileMissing: the folder cannot be made.
    """
    name = f"{command}.json"
    text = json.dumps(key, indent=2)
    with disk_errors(folder):
        if folder.exists() and not (folder / name).is_file() and _is_foreign(folder):
            raise OutputExists(
                f"{folder} is there and was not written by {command}; name another output"
            )
        folder.mkdir(exist_ok=True)
        with (folder / LOCK).open("w") as lock:
            _claim(lock, folder)
            found = _read(folder / name)
            if found is not None and found != json.loads(text):
                if not force:
                    raise refusal(_changed(folder, found, json.loads(text)))
                found = None
            if found is None:
                _clear(folder)
                write_text(folder / name, text)
            yield


def _is_foreign(folder: Path) -> bool:
    """Whether it is a file, or holds more than a run that was stopped at once leaves."""
    return not folder.is_dir() or not all(map(_is_left, folder.iterdir()))


def _is_left(path: Path) -> bool:
    """Whether a run leaves a file of this name when it is stopped at once."""
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".part")


def _claim(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputExists(
            f"another process is writing to {folder}; wait for it, or name another output"
        ) from error
    except OSError:
        return  # some network file systems have no locks


def _changed(folder: Path, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    names = [name for name in now if before.get(name) != now[name]]
    first = names[0] if names else "version"
    return (
        f"{folder} holds unfinished work of another run: {first} was {before.get(first)}, now it "
        f"is {now.get(first)}; use --force to start again, or finish that run first"
    )


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != LOCK and not path.is_dir():
            path.unlink()
