"""Vectors: what they are, and values and rows that are wrong."""

from collections.abc import Mapping
from typing import Any

from coreset_cli.artifacts.embeddings import Embeddings, scan
from coreset_cli.artifacts.faults import first_repeat, repeated_rows
from coreset_cli.artifacts.sources import open_sources
from coreset_cli.commands.inspection.found import Info, Question, Watch, counts_of, named_in

__all__ = ["vectors_found"]


def vectors_found(question: Question, manifest: Mapping[str, Any] | None, watch: Watch) -> Info:
    """Read all vectors once, and once more for repeats."""
    source = open_sources([question.path], question.column)
    n = source.matrix.n
    named = named_in(question, source.columns, n)
    data = Embeddings(
        path=question.path,
        files=source.files,
        matrix=source.matrix,
        columns=source.columns,
        ids=named.ids,
        labels=named.labels,
    )
    found = scan(data, lambda done, total: watch("reading", done, total))
    faults = [*source.misaligned, *named.faults]
    if found.bad_count:
        where = source.matrix.where(found.bad_rows[0])
        faults.append(
            f"{found.bad_count} rows hold NaN, Inf or values beyond float32, first {where}; "
            "drop them or embed them again"
        )
    if found.zero_rows:
        faults.append(f"{found.zero_rows} rows are all zero: they have no direction; drop them")
    repeats = repeated_rows(source.matrix, lambda done, total: watch("comparing", done, total))
    if len(repeats):
        row = int(repeats[0])
        earlier = source.matrix.where(first_repeat(source.matrix, row))
        faults.append(
            f"{len(repeats)} rows repeat an earlier one exactly, first {source.matrix.where(row)}, "
            f"which equals {earlier}; drop the copies"
        )
    return Info(
        path=question.path,
        kind="vectors",
        rows=n,
        width=source.matrix.d,
        dtype=source.matrix.dtype.name,
        files=source.files,
        ids=named.ids.kind,
        classes=counts_of(named.labels),
        columns=source.columns.names,
        content_digest=found.record.content_digest,
        ids_digest=found.record.ids_digest,
        manifest=manifest,
        warnings=source.warnings,
        faults=tuple(faults),
    )
