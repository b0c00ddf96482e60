"""Classes that are done, kept in one place and found again by a run that continues."""

import json
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.memo import Memo, State
from coreset_cli.selector import Picks

__all__ = ["Finished"]


class Finished:
    """What every class has given so far.

    `found` is what each class gave, and `asked` how many rows they were asked for in all.

    Args:
        memo: where an earlier run left its classes, and this run leaves them all.
    """

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._lock = Lock()
        kept = memo.recall()
        self.found: dict[int, Picks] = {} if kept is None else _unpacked(kept)
        self.asked = 0 if kept is None else int(kept["asked"])

    def add(self, number: int, picks: Picks, asked: int, piece: Memo) -> None:
        """Take note of a class, from whichever thread.

        Args:
            number: of the class.
            picks: what it gave, its rows numbered inside it.
            asked: rows that were asked for; support rows may have come beside them.
            piece: where it kept its own work.
        """
        with self._lock:
            self.found[number] = picks
            self.asked += asked
            piece.close()
            if self._memo.due():
                self._memo.keep({"asked": np.array(self.asked), **_packed(self.found)}, self.asked)


def _packed(found: dict[int, Picks]) -> State:
    every = list(found.values())
    rest = json.dumps([[picks.notes, dict(picks.facts)] for picks in every], default=float)
    state: dict[str, NDArray[Any]] = {
        "classes": np.array(list(found), np.int64),
        "sizes": np.array([len(picks.rows) for picks in every], np.int64),
        "rows": np.concatenate([picks.rows for picks in every]),
        "rest": np.frombuffer(rest.encode(), np.uint8),
    }
    for name in ("scores", "weights", "support"):
        values = [getattr(picks, name) for picks in every]
        if all(value is not None for value in values):
            state[name] = np.concatenate(values)
    return state


def _unpacked(kept: State) -> dict[int, Picks]:
    ends = np.cumsum(kept["sizes"])[:-1]
    empty: Sequence[None] = [None] * len(kept["sizes"])

    def split(name: str) -> Sequence[Any]:
        return np.split(kept[name], ends) if name in kept else empty

    rest = json.loads(kept["rest"].tobytes())
    return {
        int(number): Picks(
            rows=rows,
            scores=scores,
            weights=weights,
            support=support,
            notes=tuple(notes),
            facts=facts,
        )
        for number, rows, scores, weights, support, (notes, facts) in zip(
            kept["classes"],
            split("rows"),
            split("scores"),
            split("weights"),
            split("support"),
            rest,
            strict=True,
        )
    }
