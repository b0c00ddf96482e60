"""Trained cells kept on disk: the same rows, labels, recipe and versions are trained once."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import CoresetError
from coreset_cli.io.atomic import write_text

__all__ = ["Cache", "Outcome", "cache_folder"]


def cache_folder() -> Path:
    """`$CORESET_CACHE_DIR`, else `coreset` in the user's cache."""
    own = os.environ.get("CORESET_CACHE_DIR")
    if own:
        return Path(own)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "coreset"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What training on some rows gave.

    Args:
        predicted: [t] class of each test row.
        converged: every fit reached its minimum.
        seconds: wall time.
        cost: the C chosen, of a linear model.
        best_accuracy: test accuracy of the best epoch, of a network.
        best_epoch: the epoch, from 1 on.
        cached: it was there already.
    """

    predicted: NDArray[np.int64]
    converged: bool
    seconds: float
    cost: float | None = None
    best_accuracy: float | None = None
    best_epoch: int | None = None
    cached: bool = False


@dataclass(frozen=True)
class Cache:
    """A folder of outcomes, one file each, named by what decided them.

    Args:
        folder: where; nothing is kept without one.
        context: everything beside the rows that decides an outcome.
        tests: test rows.
    """

    folder: Path | None
    context: Mapping[str, object]
    tests: int

    def key(
        self,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        seed: int | None = None,
        pixels: str | None = None,
        support: NDArray[np.int64] | None = None,
    ) -> str:
        """SHA-256 of the context, the rows, their weights, and what else decides the outcome.

        Args:
            rows: trained on, in order.
            weights: of these rows.
            seed: of training, where it draws.
            pixels: digest of the synthetic set that the rows are of; none for the training file.
            support: which of the rows are support rows, where roles matter.
        """
        digest = sha256(json.dumps(self.context, sort_keys=True).encode())
        digest.update(rows.astype("<i8").tobytes())
        if weights is not None:
            digest.update(weights.astype("<f8").tobytes())
        if seed is not None:
            digest.update(f"seed {seed}".encode())
        if pixels is not None:
            digest.update(f"pixels {pixels}".encode())
        if support is not None:
            digest.update(b"support" + support.astype("<i8").tobytes())
        return digest.hexdigest()

    def get(self, key: str) -> Outcome | None:
        """An outcome, where it is there and whole."""
        if self.folder is None:
            return None
        try:
            record = json.loads(self._file(key).read_text(encoding="utf-8"))
            if record["digest"] != _digest(record["outcome"]):
                return None
            outcome = record["outcome"]
            predicted = np.asarray(outcome.pop("predicted"), np.int64)
            if predicted.shape != (self.tests,):
                return None
            return Outcome(predicted=predicted, **outcome, cached=True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, outcome: Outcome) -> str | None:
        """Keep an outcome; what hinders it is a warning, since the result is there."""
        if self.folder is None:
            return None
        record = {**asdict(outcome), "predicted": outcome.predicted.tolist()}
        del record["cached"]
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps({"digest": _digest(record), "outcome": record}))
        except (OSError, CoresetError) as error:
            return f"trained cells are not kept in {self.folder} ({error}); set CORESET_CACHE_DIR"
        return None

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / "evaluate" / key[:2] / f"{key}.json"


def _digest(outcome: object) -> str:
    return sha256(json.dumps(outcome, sort_keys=True).encode()).hexdigest()
