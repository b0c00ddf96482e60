"""Files that are whole or absent: a temporary name in the same folder, then a rename."""

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from coreset_cli.errors import DiskFull, FileMissing, InvalidParameter, OutputExists

__all__ = ["disk_errors", "refuse_existing", "refuse_inside", "whole_file", "write_text"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def refuse_existing(path: Path, *, force: bool) -> None:
    """Stop before any work where an output is there already, or has no folder to go to.

    Raises:
        OutputExists: the path is taken and `force` is false.
        FileMissing: the folder of the output does not exist.
    """
    with disk_errors(path):
        if not path.parent.is_dir():
            raise FileMissing(
                f"no folder {path.parent} for the output {path.name}; create it first"
            )
        if path.exists() and not path.is_file():
            raise OutputExists(f"{path} is a folder or a device, never replaced; name a file")
        if path.exists() and not force:
            raise OutputExists(f"{path} is there already; use --force to replace it")


def refuse_inside(output: Path, inputs: Sequence[str]) -> None:
    """An output among the inputs would be read as data the next time, or destroy them now.

    Raises:
        InvalidParameter: it is one of them, or lies in one.
    """
    target = output.resolve()
    for name in inputs:
        place = Path(name).resolve()
        if target == place or (place.is_dir() and target.is_relative_to(place)):
            raise InvalidParameter(f"the output {output} lies in the input {name}; write elsewhere")


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Say that the disk is full, or the folder closed, in a user's words.

    Raises:
        DiskFull: no space, quota or file size left.
        FileMissing: the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"no space left while writing {path} ({os.strerror(error.errno)}); "
                "nothing was kept; free space or write elsewhere"
            ) from error
        if error.errno in _CLOSED:
            raise FileMissing(
                f"cannot write {path}: {os.strerror(error.errno)}; choose another place"
            ) from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to; it takes the final name when the block ends well.

    Raises:
        DiskFull: no space left; nothing stays behind.
    """
    # Cut, so that a name of the greatest length still leaves room for what is added.
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with disk_errors(path):
            yield part
            descriptor = os.open(part, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(path)
    finally:
        with suppress(OSError):  # where the part cannot even be looked for, the first error counts
            part.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
