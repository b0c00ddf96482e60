"""A folder of image files, named by their paths inside it."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coreset_cli.errors import FileMissing, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.atomic import disk_errors

__all__ = ["IMAGE_SUFFIXES", "Tree", "copy_file", "list_images", "whole_folder"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What is taken for an image, in any case."""


@dataclass(frozen=True)
class Tree:
    """Images below a folder.

    Args:
        root: the folder.
        names: relative paths with forward slashes, in order of their UTF-8 bytes.
        passed_over: other files, but hidden ones.
    """

    root: Path
    names: tuple[str, ...]
    passed_over: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)


def list_images(root: Path) -> Tree:
    """Find all images below a folder, through links to folders too.

    Raises:
        FileMissing: a folder cannot be read.
        SchemaMismatch: a name that is not UTF-8.
    """
    images: list[str] = []
    others: list[str] = []
    for place, folders, files in os.walk(root, onerror=_cannot_read, followlinks=True):
        here = Path(place)
        folders[:] = [f for f in folders if not f.startswith(".") and not _is_loop(here / f)]
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        for file in files:
            if file.startswith("."):
                continue
            _, dot, suffix = file.rpartition(".")
            is_image = dot + suffix.lower() in IMAGE_SUFFIXES
            (images if is_image else others).append(prefix + file)
    try:
        return Tree(root, tuple(sorted(images, key=str.encode)), tuple(sorted(others)))
    except UnicodeEncodeError as error:
        raise SchemaMismatch(
            f"{root}: the file name {error.object!a} is not UTF-8; rename it"
        ) from error


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill; it takes the final name when the block ends well.

    A folder of that name is replaced and removed, so the caller must have looked.

    Raises:
        DiskFull: no space left; nothing stays behind.
    """
    stem = f".{path.name[:40]}.{secrets.token_hex(4)}"
    part, old = path.with_name(f"{stem}.part"), path.with_name(f"{stem}.old")
    try:
        with disk_errors(path):
            part.mkdir()
            yield part
            if path.exists():
                path.rename(old)
            part.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for rest in (part, old):
            shutil.rmtree(rest, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of a file; a link is followed.

    Raises:
        FileMissing: the source cannot be read.
    """
    with read_errors(source):
        file = source.open("rb")
    with file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy)


def _cannot_read(error: OSError) -> None:
    raise FileMissing(f"cannot read {error.filename}: {error.strerror}") from error


def _is_loop(folder: Path) -> bool:
    """A link to a folder that holds it would be walked for ever."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
