"""Unfinished selections: what kernels keep, in a folder, each piece a file that is whole or absent.

A run of less than half a minute leaves no folder behind.
"""

import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coreset_cli import __version__
from coreset_cli.commands.unfinished import claimed
from coreset_cli.errors import DiskFull, FileMissing, OutputExists
from coreset_cli.io.atomic import refuse_existing, refuse_inside, whole_file
from coreset_cli.kernels.memo import FORGETFUL, Memo, State
from coreset_cli.selector import Selector

__all__ = ["NOTHING_UNFINISHED", "Unfinished", "key_of"]

SECONDS = 30.0
"""Time between two states that are kept of a piece of work: what a kill can cost."""

WHOLE = "picks"
"""File of the state of the whole; pieces have theirs under their own names."""

DONE = "done"
"""Name of the number of picks beside the arrays of a state."""


def key_of(
    method: str, parameters: Mapping[str, Any], seed: int, content: str, selector: Selector
) -> dict[str, object]:
    """Everything that decides the picks, and the states on the way to them.

    Args:
        method: its name.
        parameters: as the manifest states them.
        seed: of all draws.
        content: digest of vectors, ids and labels.
        selector: what picks; others than exact ones are continued by the same arithmetic only.
    """
    decisive = {name: parameters[name] for name in ("count", "balance", "min_per_class")}
    settings = {f"--set {name}": value for name, value in parameters["set"].items()}
    return {
        "method": method,
        **decisive,
        **settings,
        "seed": seed,
        "input": content,
        "coreset": __version__,
        "torch": None if selector.exact else torch.__version__,
    }


class Unfinished:
    """The folder of one run: found where an earlier run left it, or made when there is need.

    Args:
        folder: where; with none, nothing is kept.
        inputs: all that is read, as typed.
        force: begin again where work of another run is there.
        say: told, in words, what was found.

    Raises:
        InvalidParameter: the folder lies in an input.
        FileMissing: the folder it would be in does not exist.
        OutputExists: it is a file.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        inputs: Sequence[str] = (),
        force: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        if folder is not None:
            refuse_inside(folder, inputs)
            if not folder.is_dir():
                refuse_existing(folder, force=False)
        self._where = folder
        self._force = force
        self._say = say
        self._key: Mapping[str, object] = {}
        self._held = ExitStack()
        self._is_held = False
        self._lost = False
        self._closed: list[Path] = []
        self._lock = Lock()

    @property
    def folder(self) -> Path:
        """Where states are kept."""
        assert self._where is not None
        return self._where

    def __enter__(self) -> "Unfinished":
        """Nothing is done before the key is known."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let other processes have the folder."""
        self._held.close()

    def begin(self, key: Mapping[str, object], k: int) -> Memo:
        """Take up what an earlier run of the same key left; states are kept here from now on.

        Args:
            key: everything that decides the picks.
            k: picks in all, for the words.

        Raises:
            OutputExists: there is work of another run, or the folder is not ours.
        """
        if self._where is None:
            return FORGETFUL
        self._key = key
        if self.folder.exists():
            self._hold()
            done = sum(map(self._done, sorted(self.folder.glob("*.npz"))))
            if done:
                self._say(f"continuing: {done:,} of {k:,} picks are done")
        return _Piece(self, "", time.monotonic())

    def remove(self) -> None:
        """Remove the folder, if there is one: the selection is where it was asked for."""
        if self._is_held:
            shutil.rmtree(self.folder.resolve(), ignore_errors=True)

    def read(self, name: str) -> State | None:
        """The state of a piece."""
        if not self._is_held:
            return None
        try:
            return _read(self._path(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, state: State, done: int) -> None:
        """Keep the state of a piece, whole or not at all; where it cannot be, say so once."""
        with self._lock:
            if self._lost:
                return
            try:
                self._write(name, state, done)
            except (DiskFull, FileMissing) as error:
                self._lost = True
                self._say(f"unfinished work is not kept any more ({error}); the run goes on")

    def _write(self, name: str, state: State, done: int) -> None:
        if not self._is_held:
            self._hold()
        path = self._path(name)
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**state, DONE: np.array(done)})
        for old in [old for old in self._closed if _lies_in(old, path)]:
            old.unlink(missing_ok=True)
            self._closed.remove(old)

    def close(self, name: str) -> None:
        """Drop what a piece kept when the whole around it is next kept."""
        self._closed.append(self._path(name))

    def _hold(self) -> None:
        """Make the folder, or take it, against other processes."""
        claim = claimed(self.folder, "select", self._key, force=self._force, refusal=OutputExists)
        self._held.enter_context(claim)
        self._is_held = True

    def _path(self, name: str) -> Path:
        return self.folder / f"{name or WHOLE}.npz"

    def _done(self, path: Path) -> int:
        """Picks that a file stands for; a damaged one is removed, and said."""
        try:
            return int(_read(path)[DONE])
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            path.unlink()
            self._say(f"{path} is damaged: what it held is picked again")
            return 0


class _Piece:
    """The place of one piece of work in the folder.

    Args:
        unfinished: the folder.
        name: of the piece, those around it first; empty for the whole.
        since: when it began, or was last kept.
    """

    def __init__(self, unfinished: Unfinished, name: str, since: float) -> None:
        self._unfinished = unfinished
        self._name = name
        self._since = since

    def recall(self) -> State | None:
        """What an earlier run kept last."""
        return self._unfinished.read(self._name)

    def due(self) -> bool:
        """Whether half a minute has passed."""
        return time.monotonic() - self._since >= SECONDS

    def keep(self, state: State, done: int) -> None:
        """Write the state, and drop the files of pieces that are part of it."""
        self._unfinished.write(self._name, state, done)
        self._since = time.monotonic()

    def close(self) -> None:
        """Drop what was kept when the whole is next kept."""
        self._unfinished.close(self._name)

    def part(self, name: str) -> Memo:
        """The place of a piece of this piece."""
        inside = f"{self._name}.{name}" if self._name else name
        return _Piece(self._unfinished, inside, time.monotonic())


NOTHING_UNFINISHED = Unfinished(None)
"""For a run that is not continued."""


def _lies_in(piece: Path, whole: Path) -> bool:
    """Whether one file is of a piece of what another file is of."""
    return piece != whole and (whole.stem == WHOLE or piece.stem.startswith(f"{whole.stem}."))


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file, each checked against its sum."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
