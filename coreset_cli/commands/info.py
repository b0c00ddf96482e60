"""`info`: what a file is, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coreset_cli.artifacts.columns import columns_on_disk
from coreset_cli.artifacts.dataset import IDX_NAME
from coreset_cli.artifacts.holdings import IMAGES, VECTORS, held
from coreset_cli.artifacts.manifest import MANIFEST_KEY, manifest_of, read_record
from coreset_cli.artifacts.named import is_named
from coreset_cli.artifacts.selection import Selection, digest_fault
from coreset_cli.artifacts.selection_file import read_unchecked
from coreset_cli.artifacts.signals import SIGNALS_KEY
from coreset_cli.artifacts.synthetic import is_synthetic
from coreset_cli.commands.inspection.found import Info, Question, Watch, counts_of, named_in
from coreset_cli.commands.inspection.images import images_found
from coreset_cli.commands.inspection.synthetic import synthetic_found
from coreset_cli.commands.inspection.trained import (
    checkpoint_found,
    is_checkpoint,
    report_found,
    signals_found,
)
from coreset_cli.commands.inspection.vectors import vectors_found
from coreset_cli.io.access import is_folder, read_errors
from coreset_cli.io.idx import starts_like_idx
from coreset_cli.io.npy import npy_dimensions
from coreset_cli.io.parquet import read_rows, read_schema
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["Info", "Question", "info"]


def info(question: Question, watch: Watch) -> Info:
    """Say what a file is and list its faults.

    Raises:
        CoresetError: the file cannot be read at all.
    """
    path = Path(question.path)
    if question.path == "-" or question.path.startswith("digits:") or path.is_fifo():
        return vectors_found(question, None, watch)
    if is_named(question.path):
        return images_found(question, None, watch)
    if is_folder(path):
        return _images_or_vectors(question, None, watch)
    start = first_bytes(path)
    kind = kind_of_bytes(start)
    if kind == "parquet":
        return _parquet(question, path, watch)
    if kind == "npy":
        flat = npy_dimensions(path) == 1
        return _selection(question) if flat else vectors_found(question, None, watch)
    if kind == "npz" and is_checkpoint(path):
        return checkpoint_found(question)
    if kind is not None or path.suffix.lower() in {".npy", ".npz", ".parquet", ".safetensors"}:
        return vectors_found(question, None, watch)
    if start.lstrip().startswith(b"{"):
        return _json(question, path)
    if path.suffix.lower() == ".tar" or IDX_NAME.search(question.path) or starts_like_idx(start):
        return images_found(question, None, watch)
    return _selection(question)


def _images_or_vectors(
    question: Question, manifest: Mapping[str, Any] | None, watch: Watch
) -> Info:
    """Vectors where there are any: images beside them were what they are of."""
    holds = held(question.path)
    if IMAGES in holds and VECTORS not in holds:
        return images_found(question, manifest, watch)
    return vectors_found(question, manifest, watch)


def _parquet(question: Question, path: Path, watch: Watch) -> Info:
    schema = read_schema(path)
    text = (schema.metadata or {}).get(MANIFEST_KEY)
    if {"index", "id", "rank"} <= set(schema.names):
        return _selection(question)
    if SIGNALS_KEY in (schema.metadata or {}):
        return signals_found(question)
    if question.column is None and is_synthetic(path):
        return synthetic_found(question)
    manifest = read_record(text, str(path)) if text else None
    if question.column is not None or held(question.path):
        return _images_or_vectors(question, manifest, watch)
    columns, rows = columns_on_disk([path]), read_rows(path)
    named = named_in(question, columns, rows)
    return Info(
        path=question.path,
        kind="table",
        rows=rows,
        files=(str(path),),
        ids=named.ids.kind,
        ids_digest=named.ids.digest(),
        classes=counts_of(named.labels),
        columns=tuple(schema.names),
        manifest=manifest,
        faults=named.faults,
    )


def _json(question: Question, path: Path) -> Info:
    with read_errors(path):
        record = read_record(path.read_bytes(), question.path)
    if "rows" in record and "inputs" in record:
        return _selection(question)
    if "cells" in record:
        return report_found(question)
    manifest_of(record, question.path)
    return Info(path=question.path, kind="manifest", files=(question.path,), manifest=record)


def _selection(question: Question) -> Info:
    selection = read_unchecked(Path(question.path))
    manifest = selection.manifest
    fault = digest_fault(selection)
    faults = () if fault is None else (fault,)
    if manifest is None:
        faults = ("no manifest: nothing says which data these rows are of; select again",)
    counts: dict[str, int] = {}
    for label in () if selection.labels is None else selection.labels.tolist():
        counts[label] = counts.get(label, 0) + 1
    return Info(
        path=question.path,
        kind="selection",
        rows=len(selection.rows),
        files=(question.path,),
        ids=selection.ids.kind,
        ids_digest=selection.ids.digest(),
        classes=counts,
        manifest=None if manifest is None else asdict(manifest),
        facts=_roles(selection),
        faults=faults,
    )


def _roles(selection: Selection) -> dict[str, str]:
    """How many rows are support rows, where there are any: exports do not say which."""
    facts = {} if selection.manifest is None else selection.manifest.facts
    if not facts.get("support"):
        return {}
    which = "" if selection.roles is not None else " (only .parquet says which)"
    return {"roles": f"{facts['core']:,} core, {facts['support']:,} support{which}"}
