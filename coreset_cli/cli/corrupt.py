"""Words of `coreset corrupt`."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report

__all__ = ["corrupt"]


class Profile(Enum):
    """Definitions of the kinds of damage to images."""

    standard = "standard"
    mds_release = "mds-release"


def corrupt(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA|EMB...",
            help="Images (Parquet, a folder, .tar shards, a name as digits:train) or vectors.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Write here: .parquet, or .npy for vectors."
        ),
    ],
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images",
            metavar="KIND=FRACTION",
            help="gaussian, occlusion, resolution, fog, motion, mixed (a fifth each), pgd or fgsm; "
            "repeatable, each kind hits other rows.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="KIND=FRACTION",
            help="symmetric, symmetric-inclusive, pair-flip, asymmetric or trid.",
        ),
    ] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(
            "--vectors",
            metavar="KIND=FRACTION",
            help="cluster, scatter, shift, sign-flip, mean-attack, duplicate or nan; repeatable.",
        ),
    ] = None,
    profile: Annotated[
        Profile,
        typer.Option(
            "--profile", help="Damage to images as it should be, or as published rows had it."
        ),
    ] = Profile.standard,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="Network that pgd and fgsm attack, from `coreset evaluate --save-model`.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A parameter of a kind, as sigma=0.3; repeatable."
        ),
    ] = None,
    label: options.Label = None,
    id_: options.Id = None,
    column: Annotated[
        str | None,
        typer.Option("--column", metavar="NAME", help="Column of images or vectors."),
    ] = None,
    root: options.Root = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    max_memory: options.MaxMemory = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Damage a share of images, labels or vectors, and record the truth beside them.

    Counts are exact. A row's damage depends on the seed and its id alone. The columns `corruption`
    and `clean_label` say what was done; `select` does not read them, `evaluate` does.
    """
    from coreset_cli.commands import corrupt as command
    from coreset_cli.device import memory_limit
    from coreset_cli.settings import parse_settings

    request = command.Request(
        paths=tuple(data),
        output=output,
        images=tuple(images or ()),
        labels=tuple(labels or ()),
        vectors=tuple(vectors or ()),
        profile=profile.value,
        checkpoint=checkpoint,
        settings=parse_settings(settings or []),
        column=column,
        ids=id_,
        label=label,
        root=root,
        seed=seed,
        device=device,
        max_memory=memory_limit(max_memory),
        force=force,
    )
    if dry_run:
        plan = command.plan(request)
        _warn(plan.warnings, quiet=quiet)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    with report.Watcher(quiet=quiet).shown() as watch:
        manifest = command.corrupt(request, watch)
    _warn(manifest.warnings, quiet=quiet)
    if as_json:
        report.write_out([manifest.to_json(output=str(output))])
    if not quiet:
        for line in command.summary(manifest):
            report.note(line)


def _warn(warnings: tuple[str, ...], *, quiet: bool) -> None:
    if not quiet:
        for warning in warnings:
            report.warn(warning)
