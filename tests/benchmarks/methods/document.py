"""METHODS.md: tables, sentences and the figure, made of all results that are there."""

import datetime
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from cells import (
    BUDGETS,
    CLAIMED,
    CORRUPTIONS,
    DRAWS,
    OURS,
    REFERENCE,
    SETS,
    UNSEEN,
    Corruption,
    is_main,
)
from picture import draw
from results import CEILING, Board, Line, Score, load
from sets import TITLES

from coreset_cli import __version__
from coreset_cli.io.atomic import write_text

__all__ = ["write_document"]

HERE = Path(__file__).parent.parent
DOCUMENT, FIGURE = HERE / "METHODS.md", HERE / "methods.png"

BEGIN, END = "<!-- by hand: begin -->", "<!-- by hand: end -->"
"""What lies between is kept."""

ASCENDING = tuple(sorted(BUDGETS, key=float))

SHOWN = 5
"""Methods in colour beside gm."""

MINUS = "−"


def write_document(folder: Path, seeds: int) -> None:
    """Write METHODS.md and its figure."""
    every = load(folder, seeds)
    boards = [board for board in every if is_main(board.data, board.corruption)]
    if not boards:
        print("no results with a random baseline yet; nothing was written")
        return
    order = _ranking(boards)
    shown = [*order[:SHOWN], *(["gm"] if "gm" not in order[:SHOWN] else [])]
    draw(boards, shown, CEILING, FIGURE)
    write_text(DOCUMENT, "\n\n".join(_parts(every, boards, order, seeds)) + "\n")


def _parts(
    every: Sequence[Board], boards: Sequence[Board], order: Sequence[str], seeds: int
) -> Iterator[str]:
    yield "# All methods against stratified random selection"
    yield (
        "This file is what `python tests/benchmarks/methods --write` wrote, but for the section "
        "between its marks."
    )
    yield _head(every, seeds)
    yield _kept_by_hand()
    yield "![Gap to random selection against the budget](methods.png)"
    yield (
        f"Gap to stratified random selection in points of accuracy; grey: the other methods; cut "
        f"off far below. In colour: the {SHOWN} best by the mean gap over all cells, and `gm`."
    )
    yield "## Which beat stratified random, and where"
    yield "\n".join(_sentences(boards, order))
    yield _tally(boards, order)
    yield f"## `{OURS}` against herding on truly clean rows"
    yield from _claim(every)
    for data in SETS:
        mine = [board for board in boards if board.data == data]
        if mine:
            yield f"## {TITLES[data]}"
            yield from _tables(mine)
    yield from _faults(boards)


def _head(boards: Sequence[Board], seeds: int) -> str:
    kinds = "; ".join(f"{one.title}: {_made(one)}" for one in CORRUPTIONS.values())
    runs = sum(
        score.seeds
        for board in boards
        for line in board.lines.values()
        for score in line.scores.values()
    )
    return (
        f"{datetime.date.today()} · coreset {__version__} · Python {platform.python_version()} · "
        f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores · up to {seeds} seeds · "
        f"{runs:,} models\n\n"
        "Every method selects with its defaults from the corrupted file, as `coreset select` does: "
        "per class in proportion to the corrupted labels, unless it ranks all classes itself; "
        "signals come from a linear probe trained on the corrupted labels. The linear model of "
        "`coreset evaluate` trains on the rows picked, with the labels and weights they have, and "
        "is judged by clean test rows. One selection of 30 % serves all budgets where prefixes are "
        "the smaller selections and no weights are given.\n\n"
        f"Corruptions: {kinds}. A far cluster is "
        "placed 10 median distances from the mean of the clean rows.\n\n"
        f"The gap is to the mean of {DRAWS} stratified random selections from the same file; its "
        "95 % interval is a paired bootstrap over test rows, random draws and seeds, and a gap is "
        "bold where the interval excludes 0. With so many cells, one in forty stands out on "
        "either side by chance alone. Seconds are the processor's, of selecting 10 %, or 30 % "
        "where that serves all, on one thread, reading and the probe included."
    )


def _made(corruption: Corruption) -> str:
    """How the rows came to be as they are."""
    if corruption.human is not None:
        return f"`{corruption.human}` of CIFAR-10N"
    if corruption.labels is not None:
        return f"`coreset corrupt --labels {corruption.labels}`"
    if corruption.vectors is not None:
        return f"`coreset corrupt --vectors {corruption.vectors}`"
    return "the rows as published"


def _kept_by_hand() -> str:
    """The section of the file that is there, or an empty one."""
    old = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    if BEGIN in old and END in old:
        return BEGIN + old.split(BEGIN, 1)[1].split(END, 1)[0] + END
    return f"{BEGIN}\n{END}"


def _ranking(boards: Sequence[Board]) -> list[str]:
    """Methods by their mean gap over all cells; those that lack cells behind the others."""
    places = {title: None for b in boards for title, line in b.lines.items() if _is_method(line)}
    scores = {title: _of_all(boards, title) for title in places}
    most = max((len(found) for found in scores.values()), default=0)
    kept = [title for title in scores if scores[title]]
    return sorted(kept, key=lambda t: (len(scores[t]) < most, -fmean(s.gap for s in scores[t])))


def _is_method(line: Line) -> bool:
    return line.contender.kind == "method"


def _of_all(boards: Sequence[Board], title: str) -> list[Score]:
    return [s for b in boards if title in b.lines for s in b.lines[title].scores.values()]


def _sentences(boards: Sequence[Board], order: Sequence[str]) -> Iterator[str]:
    """For each board the methods above random at the headline budget, by name."""
    for board in boards:
        scores = {t: board.lines[t].scores.get(REFERENCE) for t in order if t in board.lines}
        known = {title: score for title, score in scores.items() if score is not None}
        best = sorted(known, key=lambda title: -known[title].gap)
        above = [f"`{t}` ({_points(known[t].gap)})" for t in best if known[t].verdict > 0]
        below = sum(score.verdict < 0 for score in known.values())
        title = CORRUPTIONS[board.corruption].title
        told = f"{len(above)} of {len(known)} methods beat it: {', '.join(above)}"
        yield (
            f"- **{TITLES[board.data].split(',')[0]}, {title}**, {_percent(float(REFERENCE))} "
            f"kept: {told if above else 'no method beat it'}; it beat {below}."
        )
    cells = sum(len(ASCENDING) for _ in boards)
    never = [
        t
        for t in order
        if len(found := _of_all(boards, t)) == cells and min(s.verdict for s in found) >= 0
    ]
    yield (
        f"- Over all {cells} cells (set × corruption × budget), never significantly below random: "
        + (", ".join(f"`{title}`" for title in never) or "none of the methods")
        + "."
    )


def _claim(boards: Sequence[Board]) -> Iterator[str]:
    """How near our method comes to its ceiling, beside what it is built on."""
    yield (
        "Gap in points to herding on the rows that nothing is wrong with, of the same number "
        "(on clean data: to herding) [paired 95 % interval over test rows and seeds]; in "
        "parentheses the gap of herding on all rows · share of corrupted rows kept, of both."
    )
    for data in (*SETS, *UNSEEN):
        mine = [board for board in boards if board.data == data and board.beside]
        if not mine:
            continue
        yield f"**{TITLES[data]}**"
        heads = (
            "corruption",
            *(_percent(float(name)) for name in sorted(CLAIMED, key=float)),
            "seeds",
        )
        yield _table(heads, [_claim_row(board) for board in mine], words=1)


def _claim_row(board: Board) -> tuple[str, ...]:
    cells = [_claim_cell(board, name) for name in sorted(CLAIMED, key=float)]
    seeds = max(score.seeds for score in board.beside.values())
    return (CORRUPTIONS[board.corruption].title, *cells, str(seeds))


def _claim_cell(board: Board, budget: str) -> str:
    score = board.beside.get(budget)
    ours, plain = board.lines[OURS].scores.get(budget), board.lines.get("herding")
    if score is None or ours is None:
        return ""
    told = f"{_gap(score)}{_ends(score)}"
    other = None if plain is None else plain.scores.get(budget)
    if other is None or CEILING not in board.lines:
        return told
    behind = score.gap + other.gap - ours.gap
    kept = f"{_percent(ours.corrupted)}, {_percent(other.corrupted)}"
    return f"{told} ({_points(behind)}) · {kept}"


def _tally(boards: Sequence[Board], order: Sequence[str]) -> str:
    """How often each method is above, below, or neither."""
    rows = []
    for title in order:
        found = _of_all(boards, title)
        verdicts = [score.verdict for score in found]
        gaps = [score.gap for score in found]
        rows.append(
            (
                f"`{title}`",
                verdicts.count(1),
                verdicts.count(0),
                verdicts.count(-1),
                _points(fmean(gaps)),
                _points(median(gaps)),
                _points(min(gaps)),
                _points(max(gaps)),
            )
        )
    heads = ("method", "above", "neither", "below", "mean gap", "median", "worst", "best")
    return _table(heads, rows, words=1)


def _tables(boards: Sequence[Board]) -> Iterator[str]:
    """The headline table of a set, and the compact one over budgets."""
    order = [*_reference_titles(boards), *_ranking(boards)]
    names = [CORRUPTIONS[board.corruption].title for board in boards]
    lines = [{board.corruption: board.lines.get(title) for board in boards} for title in order]
    yield f"### {_percent(float(REFERENCE))} of the rows kept"
    yield (
        "Gap in points [95 % interval] · share of corrupted rows among those kept. In the rows of "
        "`random` and `full`: accuracy."
    )
    yield _table(
        ("method", *names, "seconds", "seeds"),
        [
            (_name(title, mine), *(_headline(one) for one in mine.values()), *_times(mine))
            for title, mine in zip(order, lines, strict=True)
        ],
        words=1,
    )
    yield f"### Gap at {' / '.join(_percent(float(b)) for b in ASCENDING)}"
    yield "In the row of `random`: accuracy."
    yield _table(
        ("method", *names),
        [
            (_name(title, mine), *(_compact(one) for one in mine.values()))
            for title, mine in zip(order, lines, strict=True)
            if title != "full"
        ],
        words=1,
    )


def _reference_titles(boards: Sequence[Board]) -> list[str]:
    found = {t: None for b in boards for t, line in b.lines.items() if not _is_method(line)}
    return list(found)


def _name(title: str, lines: Mapping[str, Line | None]) -> str:
    weighted = any(line.weighted for line in lines.values() if line is not None)
    return f"`{title}`" + " (weights)" * weighted


def _headline(line: Line | None) -> str:
    if line is None:
        return ""
    kind = line.contender.kind
    score = line.scores.get("1" if kind == "full" else REFERENCE)
    if score is None:
        return "; ".join(fault.split(":")[0] for fault in line.faults) or ""
    kept = f" · {_percent(score.corrupted)}" if score.corrupted or kind == "random" else ""
    if kind in {"random", "full"}:
        return f"{100 * score.accuracy:.1f}{kept}"
    return f"{_gap(score)}{_ends(score)}{kept}"


def _compact(line: Line | None) -> str:
    if line is None:
        return ""
    scores = [line.scores.get(budget) for budget in ASCENDING]
    if line.contender.kind == "random":
        return " / ".join("" if s is None else f"{100 * s.accuracy:.1f}" for s in scores)
    return " / ".join("–" if score is None else _gap(score) for score in scores)


def _times(lines: Mapping[str, Line | None]) -> tuple[str, str]:
    """Median seconds over the boards, and fewest to most seeds."""
    known = [line for line in lines.values() if line is not None]
    times = [line.seconds for line in known if line.seconds is not None]
    counts = sorted({score.seeds for line in known for score in line.scores.values()})
    seeds = (
        "–".join(str(count) for count in dict.fromkeys((counts[0], counts[-1]))) if counts else ""
    )
    return (f"{median(times):.1f}" if times else "", seeds)


def _faults(boards: Sequence[Board]) -> Iterator[str]:
    """Errors and jobs that were ended, and what selections warned of."""
    faults: dict[str, list[str]] = {}
    for board in boards:
        for title, line in board.lines.items():
            for fault in line.faults:
                faults.setdefault(f"`{title}`: {fault}", []).append(
                    f"{board.data} {board.corruption}"
                )
    if faults:
        yield "## What did not end well"
        yield "\n".join(f"- {fault} ({', '.join(where)})" for fault, where in faults.items())


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, words: int) -> str:
    ruler = [":--"] * words + ["--:"] * (len(heads) - words)
    lines = [heads, ruler, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _gap(score: Score) -> str:
    return f"**{_points(score.gap)}**" if score.verdict else _points(score.gap)


def _ends(score: Score) -> str:
    if score.interval is None:
        return ""
    return " [" + ", ".join(_points(end, sign=False) for end in score.interval) + "]"


def _points(share: float, *, sign: bool = True) -> str:
    text = f"{100 * share:+.1f}" if sign else f"{100 * share:.1f}"
    return text.replace("-", MINUS)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
