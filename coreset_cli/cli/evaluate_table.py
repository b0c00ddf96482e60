"""The table of `coreset evaluate`, for people."""

import io
import sys
from collections.abc import Callable, Sequence

from coreset_cli.artifacts.measured import ByGroup
from coreset_cli.artifacts.report import Cell, Interval, Report, Share

__all__ = ["table_lines"]

NOTHING = "–"

NAMING = 2
"""Columns that say which cell a line is of."""

GAP, EDGES = 3, 2
"""Spaces between columns, and on both sides of a table."""


def table_lines(report: Report) -> list[str]:
    """The cells as a table, then what must be said of them."""
    order = sorted(report.cells, key=lambda c: (c.kind == "full", c.k, c.kind == "random"))
    head, body = _columns(order)
    table = _rich(head, body) if sys.stdout.isatty() else _plain(head, body)
    return [*table, "", *_notes(report)]


def _columns(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Headings and texts; a column nobody has is left out."""
    columns: list[tuple[str, Callable[[Cell], str]]] = [
        ("cell", lambda c: _title(c, cells)),
        ("rows", lambda c: f"{c.k:,}"),
        ("pictures a row", lambda c: NOTHING if c.factor == 1 else f"{c.factor**2}"),
        ("core", lambda c: NOTHING if c.core is None else f"{c.core:,}"),
        ("accuracy", lambda c: f"{100 * c.accuracy:.1f}"),
        ("95 %", lambda c: _between(c.accuracy_interval, "{:.1f}")),
        ("gain", lambda c: NOTHING if c.gain is None else _signed(c.gain)),
        ("95 % of gain", lambda c: _between(c.gain_interval, "{:+.1f}")),
        ("best epoch", lambda c: _percent(c.best)),
        ("of full", lambda c: NOTHING if c.relative is None else f"{100 * c.relative:.1f}"),
        ("worst class", lambda c: f"{100 * c.worst_accuracy:.1f} ({c.worst_class})"),
        ("worst group", _of_groups(lambda g: f"{100 * g.worst_accuracy:.1f} ({g.worst})")),
        ("95 % of worst", _of_groups(lambda g: _between(g.worst_interval, "{:.1f}"))),
        ("worst kept", _of_groups(_worst_kept)),
        ("mean of groups", _of_groups(lambda g: f"{100 * g.mean:.1f}")),
        ("bottom fifth", _of_groups(lambda g: f"{100 * g.bottom_fifth:.1f}")),
        ("worst fifth of rows", _of_groups(lambda g: f"{100 * g.tail:.1f}")),
        ("corrupted", lambda c: _share(c.truth.corrupted)),
        ("mislabelled", lambda c: _share(c.truth.mislabelled)),
        ("clean recall", lambda c: _percent(c.truth.clean_recall)),
        ("to clean mean", lambda c: _distance(c.to_clean_mean)),
        ("to median", lambda c: _distance(c.to_median)),
        ("C", _costs),
        ("select s", _selecting),
        ("train s", lambda c: f"{sum(r.training_seconds for r in c.runs):.1f}"),
        ("digest", lambda c: c.runs[0].selection_digest[:8] if len(c.runs) == 1 else NOTHING),
    ]
    written = [(name, [text(cell) for cell in cells]) for name, text in columns]
    shown = [(n, texts) for n, texts in written if any(text != NOTHING for text in texts)]
    rows = [list(row) for row in zip(*(texts for _, texts in shown), strict=True)]
    return [name for name, _ in shown], rows


def _notes(report: Report) -> list[str]:
    """What the numbers do not say by themselves."""
    notes = [
        f"{_how(report)}; shares in %, "
        f"{report.resamples:,} paired resamples of {report.test.rows:,} test rows and of the seeds",
        f"proxy data: {report.proxy_data}",
        *_grouping(report),
    ]
    notes += [_roles(cell) for cell in report.cells if cell.core is not None]
    notes += [_against_random(cell) for cell in report.cells if _is_no_gain(cell)]
    for cell in report.cells:
        for name, share in cell.truth.by_type.items():
            notes.append(f"{name} kept by {cell.name} at {cell.k:,} rows: {_share(share)}")
    if report.fidelity:
        scores = ", ".join(f"{name} {score:.3f}" for name, score in report.fidelity.items())
        notes.append(f"integrated fidelity over the budgets: {scores}")
    notes += [gate.message for gate in report.gates if gate.passed]
    return notes


def _how(report: Report) -> str:
    """Model and recipe in words."""
    recipe = report.recipe
    if report.model == "linear":
        return f"linear model, C by {recipe['folds']}-fold log-loss"
    epochs = f"{recipe['epochs']} epochs of batches of {recipe['batch']}"
    pairs = f", loss of pairs × {recipe['structure']:g}" if recipe.get("structure") else ""
    return f"{report.model}, recipe {recipe['name']}: {epochs}{pairs}, accuracy of the last epoch"


ACCOUNTING = {
    None: "drawn at random and trained on alike",
    "counted": "counted: together they are the rows asked for",
    "uncounted": "uncounted: the support rows came beside the rows asked for, as in ECHO's paper",
    "not stated": "and the file does not say whether both were asked for",
}


def _roles(cell: Cell) -> str:
    """Which rows the budget counts."""
    assert cell.core is not None
    told = f"{cell.name} at {cell.k:,} rows: {cell.core:,} core and {cell.k - cell.core:,} support"
    return f"{told} rows, {ACCOUNTING[cell.accounting]}"


def _grouping(report: Report) -> list[str]:
    """What the test rows were divided by, where they were."""
    found = report.grouping
    if found is None:
        return []
    counted = "" if found.counted == found.groups else f", {found.counted} of them count"
    return [
        f"groups of test rows by {found.by}: {found.groups}{counted}; "
        f"assignment {found.assignment_digest[:8]}"
    ]


def _of_groups(text: Callable[[ByGroup], str]) -> Callable[[Cell], str]:
    return lambda cell: NOTHING if cell.by_group is None else text(cell.by_group)


def _worst_kept(found: ByGroup) -> str:
    return _share(next(group.share for group in found.groups if group.name == found.worst))


def _is_no_gain(cell: Cell) -> bool:
    if cell.gain is None:
        return False
    return cell.no_better_than_random or (cell.gain_interval is None and cell.gain <= 0)


def _against_random(cell: Cell) -> str:
    """Say that random is as good, or better where the whole interval is below 0."""
    assert cell.gain is not None
    between = cell.gain_interval
    verdict = "worse than" if between is not None and between.high < 0 else "no better than"
    shown = f"gain {_signed(cell.gain)}, 95 % {_between(between, '{:+.1f}')}"
    return f"{verdict} random: {cell.name} at {cell.k:,} rows ({shown})"


def _title(cell: Cell, cells: Sequence[Cell]) -> str:
    """Name of a cell; how classes share tells those apart that have one name and size."""
    balances = {c.balance for c in cells if (c.name, c.k) == (cell.name, cell.k)}
    return cell.name if len(balances) == 1 else f"{cell.name} ({cell.balance})"


def _selecting(cell: Cell) -> str:
    known = [r.selecting_seconds for r in cell.runs if r.selecting_seconds is not None]
    return f"{sum(known):.1f}" if known else NOTHING


def _costs(cell: Cell) -> str:
    known = {run.cost for run in cell.runs if run.cost is not None}
    return " ".join(f"{cost:g}" for cost in sorted(known)) or NOTHING


def _distance(length: float | None) -> str:
    return NOTHING if length is None else f"{length:.3g}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"


def _share(share: Share | None) -> str:
    return NOTHING if share is None else f"{100 * share.kept:.1f} of {100 * share.base:.1f}"


def _between(interval: Interval | None, form: str) -> str:
    if interval is None:
        return NOTHING
    ends = (form.format(100 * end).replace("-", "−") for end in (interval.low, interval.high))
    return " … ".join(ends)


def _plain(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Columns aligned with spaces, numbers to the right."""
    rows = [head, *body]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _rich(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Tables one below the other, each as wide as the terminal allows, each naming its cells."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    width = Console().width
    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=True)
    for places in _pages(
        [max(map(len, column)) for column in zip(head, *body, strict=True)], width - EDGES
    ):
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for place in places:
            table.add_column(head[place], justify="left" if place == 0 else "right", no_wrap=True)
        for row in body:
            table.add_row(*(row[place] for place in places))
        console.print(table)
    return page.getvalue().rstrip("\n").split("\n")


def _pages(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns of each table; the first two, name and rows, open every one."""
    pages: list[list[int]] = []
    for place in range(NAMING, len(widths)):
        page = pages[-1] if pages else []
        taken = sum(widths[p] + GAP for p in page) + widths[place]
        if not page or (taken > room and len(page) > NAMING):
            pages.append([*range(NAMING), place])
        else:
            page.append(place)
    return pages
