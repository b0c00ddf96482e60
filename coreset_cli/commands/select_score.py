"""Scores for methods that read one: of another method, or from a column of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import SERIES
from coreset_cli.artifacts.samples import Samples
from coreset_cli.artifacts.scores import read_scores
from coreset_cli.artifacts.signals import holds_signals, read_signals
from coreset_cli.commands.register import make_method, method_class, method_names
from coreset_cli.commands.select_signals import reads_file
from coreset_cli.compose.judged import Judged
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.scored import Scored
from coreset_cli.errors import InvalidParameter, MissingInput, did_you_mean
from coreset_cli.kernels.dynamics import history_mean
from coreset_cli.selector import Score, Selector, needs
from coreset_cli.settings import parse_spec

__all__ = ["Column", "given_column", "score_told", "selector_of"]

GIVEN = needs("given")

ENDS = ("high", "low")


@runtime_checkable
class _Composed(Protocol):
    """A method that names the score it reads."""

    score: str
    column: str
    hard: Literal["high", "low"]


@runtime_checkable
class _Trusting(Protocol):
    """A method that reads how far each row is to be trusted, and names the judge."""

    judge: str
    column: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """A score from a table.

    Args:
        path: of the table.
        name: of the column.
        values: [n] a number for each row of the input.
    """

    path: Path
    name: str
    values: NDArray[np.float64]

    @property
    def told(self) -> Mapping[str, Any]:
        """What the manifest says of it; it decides the picks."""
        digest = sha256(np.ascontiguousarray(self.values, "<f8").tobytes()).hexdigest()
        return {"file": str(self.path), "column": self.name, "content_digest": digest}


def selector_of(method: Selector | Score) -> Selector:
    """A method as a selector: a score keeps its end; what reads a score comes with its maker.

    Raises:
        InvalidParameter: no method that gives rows a score, settings that it has not, or an end of
            no column.
    """
    if isinstance(method, Score):
        return ByScore(method=method)
    if isinstance(method, _Trusting) and not method.column:
        judge = make_method(method.judge, {})
        assert isinstance(judge, Score)
        return Judged(method=method, judge=judge)
    if not (isinstance(method, _Composed) and method.needs >= GIVEN):
        return method
    if method.column:
        column = make_method("topk", {"column": method.column})
        return Scored(method=method, score=selector_of(column), hard=method.hard)
    if method.hard != "high":
        raise InvalidParameter(
            f"hard={method.hard} says which end of a column is hard, and no column is named; for "
            f"the other end of {method.score}, give its keep, as in --set score=NAME:keep=low"
        )
    maker = _maker(method.score)
    return Scored(method=method, score=selector_of(maker), hard=_end_of(maker, method.score))


def score_told(method: Selector | Score, column: Column | None) -> Mapping[str, Any] | None:
    """What the manifest says of the score that a method reads; none where it reads none."""
    if column is not None:
        return column.told
    if not (isinstance(method, _Composed) and method.needs >= GIVEN):
        return None
    maker = _maker(method.score)
    return {
        "method": parse_spec(method.score, "score")[0],
        "set": dict(vars(maker)),
        "hard": _end_of(maker, method.score),
    }


def given_column(
    text: str | None,
    method: Selector | Score,
    selector: Selector,
    data: Samples,
    *,
    ids: str | None = None,
) -> Column | None:
    """The column that a method ranks by; none where it reads none.

    Args:
        text: the file that `--signals` names.
        method: that names the column.
        selector: the method, with all that it is made of.
        data: the input.
        ids: column of its ids, which may be that of the table too.

    Raises:
        MissingInput: no file, or settings of a probe.
        CoresetError: whatever reading raises.
    """
    if not selector.needs & GIVEN:
        return None
    name = str(vars(method)["column"])
    if text is None:
        raise MissingInput(
            f"the score is column '{name}' of a table, and none is given; name it with "
            "--signals FILE, and its column with --set column=NAME"
        )
    if not reads_file(text):
        raise MissingInput(
            f"--signals {text} trains a probe, and the score is column '{name}' of a table; name "
            "its file with --signals FILE"
        )
    path = Path(text)
    if name in SERIES and path.is_file() and holds_signals(path):
        found = read_signals(path)
        rows = found.ids.rows_of(data.ids, data.path, text)
        series = getattr(found.dynamics, name)[rows].astype(np.float32)
        series[np.isnan(found.dynamics.p_true[rows])] = np.nan  # not seen is not wrong
        values = history_mean(series)
    else:
        values = read_scores(path, name, data.ids, source=data.path, id_column=ids)
    return Column(path=path, name=name, values=values)


def _maker(spec: str) -> Selector | Score:
    """The method that makes a score, from its name with settings."""
    name, settings = parse_spec(spec, "score")
    there = name in method_names()
    if there and _scores(method_class(name)):
        return make_method(name, settings)
    known = [other for other in method_names() if _scores(method_class(other))]
    listed = f"; it takes {', '.join(known)}; for a column of a table, --set column=NAME"
    if there:
        why = f", which does not say how hard each row is{listed}"
    else:
        why = did_you_mean(name, known) or listed
    raise InvalidParameter(f"score cannot be '{name}'{why}")


def _scores(kind: type) -> bool:
    """Whether a method ranks the rows of any pool by a number, and keeps one end of it."""
    if getattr(kind, "scope", "pool") == "global":
        return False
    return getattr(kind, "keep", None) in (*ENDS, "middle") and kind().needs.isdisjoint(GIVEN)


def _end_of(maker: Selector | Score, spec: str) -> Literal["high", "low"]:
    """The hard end of a score: the one that it keeps, unless it says that this is the easy one."""
    end = getattr(maker, "hard", getattr(maker, "keep", None))
    if end == "high" or end == "low":
        return end
    raise InvalidParameter(f"score {spec}: {end} is no end; the hard end is keep=high or keep=low")
