"""Words of `coreset select`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report
from coreset_cli.errors import InvalidParameter

__all__ = ["select"]


def select(
    context: typer.Context,
    embeddings: Annotated[
        list[str],
        typer.Argument(
            metavar="EMB...",
            help="Vectors: .npy, .npz, .parquet, .safetensors, a folder, digits:train, or -.",
        ),
    ],
    method: options.Method = "gm",
    ratio: Annotated[
        str | None, typer.Option("--ratio", "-r", help="Share of the rows to keep, in (0, 1].")
    ] = None,
    count: options.Count = None,
    output: options.Output = None,
    balance: options.Balance = None,
    min_per_class: options.MinPerClass = 0,
    settings: options.Settings = None,
    label: options.Label = None,
    id_: options.Id = None,
    column: options.Column = None,
    signals: options.Signals = None,
    sort: Annotated[
        options.Sort, typer.Option("--sort", help="Best first, or by row number.")
    ] = options.Sort.rank,
    form: Annotated[
        str | None,
        typer.Option("--format", help="txt, npy, json, parquet, mask or datacomp."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="DIR",
            help="Keep unfinished work of long runs here and continue it. [default: FILE.partial]",
        ),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    max_memory: options.MaxMemory = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Pick the rows worth training on: one row number a line, best first."""
    from coreset_cli.commands.budget import parse_budget
    from coreset_cli.commands.register import canonical_name
    from coreset_cli.device import memory_limit
    from coreset_cli.settings import parse_settings

    name = canonical_name(method)
    ratio, count = options.higher_of(context, ("ratio", ratio), ("count", count))
    budget = parse_budget(ratio, count)

    from coreset_cli.commands import select as command

    request = command.Request(
        paths=tuple(embeddings),
        method=name,
        budget=budget,
        settings=parse_settings(settings or []),
        balance=balance,
        min_per_class=min_per_class,
        column=column,
        ids=id_,
        label=label,
        signals=signals,
        seed=seed,
        device=device,
        max_memory=memory_limit(max_memory),
    )
    if output is None and form is not None:
        raise InvalidParameter(f"--format {form} is for a file; name it with --output")
    target = None
    if output is not None:
        target = command.Target.of(output, form, inputs=request.inputs, force=force)
    if dry_run:
        from coreset_cli.commands.select_plan import plan as planned

        plan = planned(request)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    if checkpoint is None and target is not None:
        checkpoint = target.partial
    unfinished = command.Unfinished(
        checkpoint,
        inputs=request.inputs,
        force=force,
        say=(lambda text: None) if quiet else report.note,
    )
    with unfinished:
        with report.Watcher(quiet=quiet).shown() as watch:
            selection = command.select(request, watch, unfinished)
        if sort is options.Sort.index:
            selection = selection.by_index()
        manifest = selection.manifest
        assert manifest is not None
        if not quiet:
            for warning in manifest.warnings:
                report.warn(warning)
        if target is not None:
            target.write(selection)
        if as_json:
            report.write_out([manifest.to_json(rows=selection.rows.tolist())])
        elif target is None:
            report.write_out(map(str, selection.rows.tolist()))
        unfinished.remove()
    report.note(str(manifest.selection_digest))
