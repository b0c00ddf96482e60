"""Words of `coreset embed`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report
from coreset_cli.errors import RowsSkipped

__all__ = ["embed"]


class Modality(Enum):
    """What the samples are."""

    image = "image"
    text = "text"


class Precision(Enum):
    """Type of the vectors as stored."""

    float16 = "float16"
    float32 = "float32"


class OnError(Enum):
    """What to do with a sample that cannot be read."""

    fail = "fail"
    skip = "skip"


def embed(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Images or texts: Parquet, a folder of images, .tar shards, a name as "
            "digits:train; texts also as .txt, one a line.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Write here: .parquet or .npy."),
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="FAMILY:MODEL[@TAG|FILE]",
            help="open_clip:MODEL@TAG, timm:MODEL@FILE, torchvision:MODEL@TAG, checkpoint:FILE "
            "(from evaluate --save-model), or pixels. "
            "[default: open_clip:ViT-B-32@laion2b_s34b_b79k; pixels for digits]",
        ),
    ] = None,
    modality: Annotated[
        Modality, typer.Option("--modality", help="Images, or texts by open_clip's text tower.")
    ] = Modality.image,
    dtype: Annotated[
        Precision, typer.Option("--dtype", help="Type of the vectors as stored.")
    ] = Precision.float32,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch", min=1, metavar="N", help="Samples at once. [default: by the encoder]"
        ),
    ] = None,
    on_error: Annotated[
        OnError,
        typer.Option(
            "--on-error",
            help="A sample that cannot be read ends the run (exit 3), or is left out and listed in "
            "OUT.skipped.txt (exit 5).",
        ),
    ] = OnError.fail,
    label: options.Label = None,
    id_: options.Id = None,
    column: Annotated[
        str | None,
        typer.Option("--column", metavar="NAME", help="Column of images or texts."),
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
    """Turn images or texts into vectors; ids, labels and scalar columns go along.

    Work is kept in OUT.partial/ while it goes on, and the same command continues there.
    """
    from coreset_cli.commands.embedding.request import Request
    from coreset_cli.device import memory_limit

    request = Request(
        paths=tuple(data),
        output=output,
        encoder=encoder,
        modality=modality.value,
        dtype=dtype.value,
        batch=batch,
        on_error=on_error.value,
        column=column,
        ids=id_,
        label=label,
        root=root,
        seed=seed,
        device=device,
        max_memory=memory_limit(max_memory),
        force=force,
    )
    request.refuse_early()

    from coreset_cli.commands import embed as command  # torch takes seconds to load

    if dry_run:
        plan = command.plan(request)
        _warn(plan.warnings, quiet=quiet)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    with _continued(request.partial), report.Watcher(quiet=quiet).shown() as watch:
        outcome = command.embed(request, watch)
    manifest = outcome.manifest
    _warn(tuple(w for w in manifest.warnings if w != outcome.skipped), quiet=quiet)
    if as_json:
        report.write_out([manifest.to_json(output=str(output))])
    report.note(str(manifest.content_digest))
    if outcome.skipped:
        raise RowsSkipped(outcome.skipped)


@contextmanager
def _continued(partial: Path) -> Iterator[None]:
    """However a run ends, say where unfinished work lies."""
    try:
        yield
    finally:
        if any(partial.glob("*.npy")):
            report.note(f"{partial} keeps what is done; the same command continues there")


def _warn(warnings: tuple[str, ...], *, quiet: bool) -> None:
    if not quiet:
        for warning in warnings:
            report.warn(warning)
