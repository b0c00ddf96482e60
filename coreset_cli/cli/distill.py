"""Words of `coreset distill`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report
from coreset_cli.errors import NotFinite

__all__ = ["distill"]


def _complete_method(incomplete: str) -> list[str]:
    """Names for the shell to complete; nothing is imported but a list of files."""
    from coreset_cli.commands.register import condenser_names

    return [name for name in condenser_names() if name.startswith(incomplete)]


def distill(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Images with labels: Parquet, a folder of images, .tar shards, IDX files, a name "
            "as digits:train.",
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME",
            help="dm matches features and is fast; dc, dsa, idc, lcmat-c and gdro match gradients.",
            autocompletion=_complete_method,
        ),
    ],
    ipc: Annotated[int, typer.Option("--ipc", min=1, metavar="N", help="Images a class to learn.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write here: .parquet.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME[:SETTING=VALUE,…]",
            help="Network to match in, as in convnet:width=32; always with new random weights.",
        ),
    ] = "convnet",
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations",
            min=1,
            metavar="N",
            help="Outer iterations, a new network each. [default: as published for the method]",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="noise|real|coreset:SEL",
            help="Begin with noise, with random real images, or with the first picks of a "
            "selection. [default: as published for the method]",
        ),
    ] = None,
    real_subset: Annotated[
        Path | None,
        typer.Option(
            "--real-subset", metavar="SEL", help="Learn from the rows of this selection alone."
        ),
    ] = None,
    settings: options.Settings = None,
    label: options.Label = None,
    id_: options.Id = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="Column of images.")
    ] = None,
    root: options.Root = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw all images here, a row a class: .png."),
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(
            "--coverage",
            metavar="FILE",
            help="Draw which real images each learned one is nearest to, a panel a class: .png.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            "--checkpoint-every",
            min=1,
            metavar="N",
            help="Outer iterations between two checkpoints. [default: half a minute]",
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
    """Learn a small synthetic set from images: a few images a class, to train on instead.

    Work is kept in OUT.partial/ while it goes on, and the same command continues there.
    """
    from coreset_cli.commands.distillation.request import Request
    from coreset_cli.commands.register import canonical_condenser
    from coreset_cli.device import memory_limit
    from coreset_cli.settings import parse_settings

    request = Request(
        paths=tuple(data),
        output=output,
        method=canonical_condenser(method),
        ipc=ipc,
        max_memory=memory_limit(max_memory),
        settings=parse_settings(settings or []),
        model=model,
        iterations=iterations,
        init=init,
        real_subset=real_subset,
        column=column,
        ids=id_,
        label=label,
        root=root,
        plot=plot,
        coverage=coverage,
        checkpoint_every=checkpoint_every,
        seed=seed,
        device=device,
        force=force,
    )
    request.refuse_early()

    from coreset_cli.commands import distill as command  # torch takes seconds to load

    if dry_run:
        plan = command.plan(request)
        _warn(plan.warnings, quiet=quiet)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    with _continued(request.partial), report.Watcher(quiet=quiet).shown() as watch:
        manifest = command.distill(request, watch)
    _warn(manifest.warnings, quiet=quiet)
    if as_json:
        report.write_out([manifest.to_json(output=str(output))])
    report.note(str(manifest.content_digest))


@contextmanager
def _continued(partial: Path) -> Iterator[None]:
    """Where a run is stopped, say that it can go on; where numbers broke, it would break again."""
    try:
        yield
    except BaseException as stop:
        if not isinstance(stop, NotFinite) and any(partial.glob("*.npz")):
            report.note(f"{partial} keeps what is done; the same command continues there")
        raise


def _warn(warnings: tuple[str, ...], *, quiet: bool) -> None:
    if not quiet:
        for warning in warnings:
            report.warn(warning)
