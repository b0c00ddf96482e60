"""The methods of a run, ready to select, and where they get signals and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select_balance import build_selector
from coreset_cli.commands.select_memory import memory_of_any, planned_memory
from coreset_cli.commands.select_pseudo import clustering_of
from coreset_cli.commands.select_score import Column, given_column, score_told
from coreset_cli.commands.select_signals import (
    FIELDS,
    FromFile,
    FromProbe,
    Source,
    pseudo_source,
    source_of,
)
from coreset_cli.selector import Field, Selector

__all__ = ["Chooser", "choosers_of", "memory_of_choosers"]


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """A method of the run.

    Args:
        name: of the method.
        selector: the method, wrapped for the classes.
        source: of the signals it reads, the same for all methods that can share it; none for a
            method that reads none.
        column: the score it ranks by, where it ranks by one of a table.
        score: what the report says of the score it reads, where it reads one.
    """

    name: str
    selector: Selector
    source: Source | None = None
    column: Column | None = None
    score: Mapping[str, Any] | None = None


def choosers_of(request: Request, samples: Embeddings | Pictures) -> tuple[Chooser, ...]:
    """The methods that are asked for.

    Args:
        request: what was asked for.
        samples: the training rows, with the labels to train on.

    Raises:
        CoresetError: whatever reading signals raises.
    """
    methods = {name: make_method(name, settings) for name, settings in request.methods.items()}
    selectors = {
        name: build_selector(method, request.balance, samples) for name, method in methods.items()
    }
    columns = {
        name: given_column(request.signals, method, selectors[name], samples, ids=request.ids)
        for name, method in methods.items()
    }
    sources = _sources(selectors, request, samples)
    return tuple(
        Chooser(
            name=name,
            selector=selectors[name],
            source=sources.get(name),
            column=columns[name],
            score=score_told(method, columns[name]),
        )
        for name, method in methods.items()
    )


def memory_of_choosers(
    choosers: Sequence[Chooser],
    request: Request,
    samples: Embeddings | Pictures,
    device: torch.device,
) -> int:
    """Bytes of the hungriest selection and its signals, beyond those counted for any method."""
    n, most = len(samples.ids), 0
    for chooser in choosers:
        source = chooser.source
        if not isinstance(samples, Embeddings):
            most = max(most, source.memory(samples) if isinstance(source, FromFile) else 0)
            continue
        beside = 0 if source is None else source.memory(samples)
        for budget in request.budgets:
            planned = planned_memory(
                samples,
                chooser.selector,
                budget.rows(n),
                limit=request.max_memory,
                device=device,
                beside=beside,
            )
            most = max(most, planned.needed - memory_of_any(samples))
    return most


def _sources(
    selectors: Mapping[str, Selector], request: Request, samples: Embeddings | Pictures
) -> Mapping[str, Source]:
    """Where each method that reads signals gets them.

    A file serves all. Methods share a probe where `select` would train the very same networks for
    each of them, so a method picks the same rows whatever stands beside it in a run. A method that
    takes no labels has a probe of its own.
    """
    wanted = {
        name: fields for name, selector in selectors.items() if (fields := selector.needs & FIELDS)
    }
    own = {
        name: pseudo_source(request.signals, clustering, wanted.pop(name), samples)
        for name, selector in selectors.items()
        if (clustering := clustering_of(selector)) is not None
    }
    if not wanted:
        return own
    source = source_of(request.signals, frozenset[Field]().union(*wanted.values()), samples)
    if not isinstance(source, FromProbe):
        return {**own, **dict.fromkeys(wanted, source)}
    shared: dict[tuple[bool, bool], frozenset[Field]] = {}
    for fields in wanted.values():
        shared[_networks(fields)] = shared.get(_networks(fields), frozenset()) | fields
    probes = {
        name: replace(source, wanted=shared[_networks(fields)]) for name, fields in wanted.items()
    }
    return {**own, **probes}


def _networks(fields: frozenset[Field]) -> tuple[bool, bool]:
    """Which networks a probe is: that of all rows, and those that have each fold held out.

    They are trained side by side, in products whose last bits depend on how many there are.
    """
    return bool(fields - {"held_out"}), "held_out" in fields
