"""Words of `coreset info`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coreset_cli.cli import options, report
from coreset_cli.errors import ArtifactError

if TYPE_CHECKING:
    from coreset_cli.commands.info import Info

__all__ = ["info"]

_SHOWN = 8
"""Classes, files and columns named before the rest is only counted."""


def info(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Vectors, images, a synthetic set, a selection, a checkpoint, signals, a report, "
            "a folder, or -.",
        ),
    ],
    id_: options.Id = None,
    label: options.Label = None,
    column: options.Column = None,
    as_json: options.Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 where there is any fault.")
    ] = False,
) -> None:
    """Say what a file is: rows, width, type, ids, labels, manifest, faults."""
    from coreset_cli.commands import info as command

    question = command.Question(path=file, column=column, ids=id_, label=label)
    with report.Watcher(quiet=False).shown() as watch:
        found = command.info(question, watch)
    if as_json:
        report.write_out([json.dumps(found.record(), indent=2, ensure_ascii=False)])
    else:
        report.write_out(f"{name:<10} {value}" for name, value in _lines(found))
    for warning in found.warnings:
        report.warn(warning)
    if strict and found.faults:
        raise ArtifactError(f"{file} has faults ({len(found.faults)}): {found.faults[0]}")


def _lines(found: "Info") -> Iterator[tuple[str, object]]:
    yield "file", found.path
    yield "kind", found.kind
    if len(found.files) > 1:
        yield "files", f"{len(found.files)}: {_some(found.files)}"
    if found.rows is not None:
        yield "rows", f"{found.rows:,}"
    if found.width is not None:
        yield "width", f"{found.width:,} {found.dtype}"
    if found.shapes:
        shapes = [f"{shape} ({count:,})" for shape, count in found.shapes.items()]
        yield "images", _some(shapes)
    if found.ids is not None:
        yield "ids", found.ids
    if found.classes:
        counts = [f"{name} ({count:,})" for name, count in found.classes.items()]
        yield "labels", f"{len(counts)} classes: {_some(counts)}"
    if found.columns:
        yield "columns", _some(found.columns)
    if found.content_digest is not None:
        yield "digest", found.content_digest
    yield from found.facts.items()
    yield from _manifest_lines(found.manifest or {})
    for fault in found.faults:
        yield "fault", fault
    if not found.faults:
        yield "faults", "none"


def _manifest_lines(manifest: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What a reader wants of a manifest; `--json` has all of it."""
    if not manifest:
        return
    made = [manifest.get("command"), manifest.get("method"), f"seed {manifest.get('seed')}"]
    yield "made by", ", ".join(str(word) for word in made if word is not None)
    settings = manifest.get("parameters") or {}
    yield "with", _some([f"{k}={v}" for k, v in settings.items() if v is not None], len(settings))
    if manifest.get("selection_digest"):
        yield "digest", manifest["selection_digest"]
    for parent in manifest.get("inputs", ()):
        yield "from", f"{parent['path']} ({parent['rows']:,} rows, {parent['content_digest']})"


def _some(names: Sequence[str], limit: int = _SHOWN) -> str:
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
