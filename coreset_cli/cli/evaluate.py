"""Words of `coreset evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from coreset_cli.cli import options, report
from coreset_cli.errors import GateFailed

__all__ = ["evaluate"]


def _complete_model(incomplete: str) -> list[str]:
    """Names for the shell to complete; nothing is imported but a list of files."""
    from coreset_cli.training.nets import network_names

    return [name for name in ("linear", *network_names()) if name.startswith(incomplete)]


def evaluate(
    context: typer.Context,
    train: Annotated[
        str,
        typer.Option(
            "--train", metavar="EMB|DATA", help="Vectors, for networks images, to train on."
        ),
    ],
    test: Annotated[str, typer.Option("--test", metavar="EMB|DATA", help="The same, to judge by.")],
    selections: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SEL", help="Index lists, or synthetic sets of images."),
    ] = None,
    label: options.Label = None,
    test_label: Annotated[
        str | None,
        typer.Option(
            "--test-label",
            metavar="COLUMN|FILE",
            help="Column, or file, of test labels. [default: the column of --label]",
        ),
    ] = None,
    id_: options.Id = None,
    column: options.Column = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            "--embeddings",
            metavar="EMB",
            help="Vectors of the training images, for --method to select from.",
        ),
    ] = None,
    root: options.Root = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME[:SETTING=VALUE,…]",
            autocompletion=_complete_model,
            help="linear, on vectors; on images a network: resnet18, resnet50, vgg16, "
            "shufflenetv2, senet18, efficientnet-b0, lenet or convnet, as in convnet:width=32.",
        ),
    ] = "linear",
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME[:SETTING=VALUE,…]",
            help="How a network is trained: gm-cifar, gm-tiny, echo or quick, for synthetic sets "
            "dc or dsa, as in quick:epochs=8. [default: quick]",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="Runs of all that draws: 0 … N−1.")
    ] = 5,
    baselines: Annotated[
        str, typer.Option("--baselines", help="What stands beside: random, full, or both.")
    ] = "random,full",
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Select with this method first; repeatable."),
    ] = None,
    ratio: Annotated[
        list[str] | None,
        typer.Option("--ratio", "-r", help="Share of the rows to keep; repeatable."),
    ] = None,
    count: Annotated[
        list[int] | None, typer.Option("--count", "-k", help="Rows to keep; repeatable.")
    ] = None,
    balance: options.Balance = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="[METHOD.]NAME=VALUE",
            help="A parameter of a method, or of all methods that have it; repeatable.",
        ),
    ] = None,
    signals: options.Signals = None,
    output: options.Output = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw accuracy against budget here."),
    ] = None,
    save_model: Annotated[
        Path | None,
        typer.Option(
            "--save-model",
            metavar="FILE",
            help="Checkpoint of the network of the full set, else of the one result, first seed.",
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Signals of training of the same network."),
    ] = None,
    record_folds: Annotated[
        int,
        typer.Option(
            "--record-folds",
            metavar="N",
            help="Add logits of rows by N networks that were not trained on them; 5 is usual.",
        ),
    ] = 0,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="GATE=SHARE",
            help="accuracy=0.80, relative=0.95, gain-over-random=0 or worst-group=0.6 (with "
            "--groups): exit 1 below; repeatable.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            metavar="COLUMN|clusters:K",
            help="Report the worst group of test rows: values of a column of the test file, or "
            "clusters of its vectors or images.",
        ),
    ] = None,
    proxy_data: Annotated[
        str,
        typer.Option(
            "--proxy-data", help="What the encoder was trained on: clean or corrupted; reported."
        ),
    ] = "not stated",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Train everything again, and keep nothing.")
    ] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    max_memory: options.MaxMemory = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Train on selections and compare: accuracy, intervals, and what random would have done."""
    from coreset_cli.device import memory_limit
    from coreset_cli.settings import parse_settings

    values = parse_settings(settings or [])
    ratio, count = options.higher_of(context, ("ratio", ratio), ("count", count))

    from coreset_cli.commands import evaluate as command

    names = command.canonical_names(method or [])
    request = command.Request(
        train=train,
        test=test,
        selections=tuple(selections or []),
        label=label,
        test_label=test_label,
        ids=id_,
        column=column,
        model=model,
        recipe=recipe,
        embeddings=embeddings,
        signals=signals,
        root=root,
        seeds=seeds,
        baselines=command.parse_baselines(baselines),
        methods=command.settings_of(names, values),
        budgets=command.budgets_of(ratio or [], count or []),
        balance=balance,
        groups=groups,
        demands=command.parse_gates(fail_under or []),
        proxy_data=proxy_data,
        seed=seed,
        device=device,
        max_memory=memory_limit(max_memory),
        record_folds=record_folds,
        use_cache=not no_cache,
    )
    outputs = command.Outputs.of(output, plot, save_model, record, request=request, force=force)
    if dry_run:
        from coreset_cli.commands.evaluate_plan import plan as planned

        plan = planned(request)
        report.write_out([json.dumps(plan.record(), indent=2)] if as_json else plan.lines())
        return
    with report.Watcher(quiet=quiet).shown() as watch:
        found = command.evaluate(request, outputs, watch)
    if not quiet:
        for warning in found.warnings:
            report.warn(warning)
    outputs.write(found)
    if as_json:
        report.write_out([found.to_json()])
    else:
        from coreset_cli.cli.evaluate_table import table_lines

        report.write_out(table_lines(found))
    failed = [gate.message for gate in found.gates if not gate.passed]
    for message in failed[:-1]:
        report.error(message)
    if failed:
        raise GateFailed(failed[-1])
