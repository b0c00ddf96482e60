"""Unfinished work: parts of the vectors in a folder, each whole or absent, found again later.

A part is two files, the vectors and, written last, what they are of. Parts follow each other
without a gap; what lies behind a gap was never finished.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.commands.unfinished import claimed
from coreset_cli.io.atomic import whole_file, write_text
from coreset_cli.io.npy import npy_bytes

__all__ = ["Part", "Partial", "hashes_digest", "opened_partial"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows that are done.

    Args:
        start: the first row.
        stop: the row behind the last.
        skipped: rows left out, with the reasons.
        inputs: digest of the samples as they were stored.
        decoding: processor seconds that it took to decode and make ready.
        processor: processor seconds of all threads.
        seconds: wall time.
    """

    start: int
    stop: int
    skipped: tuple[tuple[int, str], ...]
    inputs: str
    decoding: float
    processor: float
    seconds: float


class Partial:
    """The folder of one run.

    Args:
        folder: where.
        parts: that are there already.
    """

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self.folder = folder
        self.parts = list(parts)

    @property
    def done(self) -> int:
        """Rows that are done."""
        return self.parts[-1].stop if self.parts else 0

    @property
    def decoding_share(self) -> float:
        """Share of decoding in the processor time of all threads, 0 to 1."""
        whole = sum(part.processor for part in self.parts)
        return sum(part.decoding for part in self.parts) / whole if whole else 0.0

    @property
    def skipped(self) -> list[tuple[int, str]]:
        """All rows left out, with the reasons."""
        return [row for part in self.parts for row in part.skipped]

    def add(self, part: Part, vectors: NDArray[np.generic]) -> None:
        """Keep a part: behind the last one.

        Raises:
            DiskFull: no space left.
        """
        name = _stem(part.start)
        with whole_file(self.folder / f"{name}.npy") as file:
            file.write_bytes(npy_bytes(vectors))
        write_text(self.folder / f"{name}.json", json.dumps(asdict(part)))
        self.parts.append(part)

    def vectors(self, part: Part) -> NDArray[np.generic]:
        """[m e] vectors of the rows of a part that were not left out, mapped."""
        path = self.folder / f"{_stem(part.start)}.npy"
        rows = part.stop - part.start - len(part.skipped)
        return np.load(path, mmap_mode="c" if rows else None, allow_pickle=False)

    def restart(self) -> None:
        """Forget all parts."""
        for part in self.parts:
            for suffix in (".json", ".npy"):
                (self.folder / f"{_stem(part.start)}{suffix}").unlink(missing_ok=True)
        self.parts.clear()

    def remove(self) -> None:
        """Remove the folder: the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def hashes_digest(hashes: Sequence[bytes]) -> str:
    """Digest of some samples by their hashes."""
    return sha256(b"".join(hashes)).hexdigest()


@contextmanager
def opened_partial(folder: Path, key: Mapping[str, object], *, force: bool) -> Iterator[Partial]:
    """The folder of a run: made, or found from a run of the same key that was stopped.

    Args:
        folder: where.
        key: everything that decides the vectors.
        force: begin again where work of another key is there.

    Raises:
        StaleParent: there is work of another key.
        OutputExists: a folder that is not ours, or that another process works in.
    """
    with claimed(folder, "embed", key, force=force):
        yield Partial(folder, _parts(folder))


def _parts(folder: Path) -> list[Part]:
    """The parts that are whole and follow each other from row 0 on."""
    parts: list[Part] = []
    while True:
        start = parts[-1].stop if parts else 0
        try:
            record = json.loads((folder / f"{_stem(start)}.json").read_text(encoding="utf-8"))
            skipped = tuple((int(row), str(reason)) for row, reason in record["skipped"])
            part = Part(**{**record, "skipped": skipped})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return parts
        if part.start != start or part.stop <= start or not _holds(folder, part):
            return parts
        parts.append(part)


def _holds(folder: Path, part: Part) -> bool:
    """Whether the vectors of a part are there, all of them; else they are computed again."""
    try:
        found = np.load(folder / f"{_stem(part.start)}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return part.stop - part.start == len(part.skipped)  # an empty array cannot be mapped
    return len(found) == part.stop - part.start - len(part.skipped)


def _stem(start: int) -> str:
    return f"{start:012d}"
