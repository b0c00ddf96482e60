"""Words of `coreset take`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report

__all__ = ["take"]


def take(
    selection: Annotated[
        Path,
        typer.Argument(
            metavar="SEL",
            help="Index list: .parquet, .json, .npy or .txt from `coreset select`, or -.",
        ),
    ],
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="What to take from: Parquet, vectors, a folder of images, .tar shards.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Write here: .parquet, .npy (vectors), .tar (from shards), or a new folder "
            "(from a folder of images).",
        ),
    ],
    id_: options.Id = None,
    column: options.Column = None,
    root: options.Root = None,
    sort: Annotated[
        options.Sort, typer.Option("--sort", help="Best first, or in the order of the data.")
    ] = options.Sort.rank,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Take the selected rows of a data set, joined by id; rank and weight go along."""
    from coreset_cli.commands import take as command

    request = command.Request(
        selection=selection,
        paths=tuple(data),
        output=output,
        column=column,
        ids=id_,
        root=root,
        sort=sort.value,
        force=force,
    )
    if dry_run:
        plan = command.plan(request)
        _warn(plan.warnings, quiet=quiet)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    with report.Watcher(quiet=quiet).shown() as watch:
        manifest = command.take(request, watch)
    _warn(manifest.warnings, quiet=quiet)
    if as_json:
        report.write_out([manifest.to_json(output=str(output))])
    report.note(str(manifest.selection_digest))


def _warn(warnings: tuple[str, ...], *, quiet: bool) -> None:
    if not quiet:
        for warning in warnings:
            report.warn(warning)
