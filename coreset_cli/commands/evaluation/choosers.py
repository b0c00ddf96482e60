"""The methods of a run, ready to select, and where those that read signals get them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import build_selector
from coreset_cli.commands.select_memory import memory_of_any, planned_memory
from coreset_cli.commands.select_signals import FIELDS, FromFile, FromProbe, Source, source_of
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
    """

    name: str
    selector: Selector
    source: Source | None = None


def choosers_of(request: Request, samples: Embeddings | Pictures) -> tuple[Chooser, ...]:
    """The methods that are asked for.

    Args:
        request: what was asked for.
        samples: the training rows, with the labels to train on.

    Raises:
        CoresetError: whatever reading signals raises.
    """
    selectors = {
        name: build_selector(make_method(name, settings), request.balance, samples)
        for name, settings in request.methods.items()
    }
    wanted = {name: selector.needs & FIELDS for name, selector in selectors.items()}
    sources = _sources(
        {name: fields for name, fields in wanted.items() if fields}, request, samples
    )
    return tuple(
        Chooser(name=name, selector=selector, source=sources.get(name))
        for name, selector in selectors.items()
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
    wanted: Mapping[str, frozenset[Field]], request: Request, samples: Embeddings | Pictures
) -> Mapping[str, Source]:
    """Where each method gets the signals it wants.

    A file serves all. Methods share a probe where `select` would train the very same network for
    each of them, so a method picks the same rows whatever stands beside it in a run.
    """
    if not wanted:
        return {}
    source = source_of(request.signals, frozenset[Field]().union(*wanted.values()), samples)
    if not isinstance(source, FromProbe):
        return dict.fromkeys(wanted, source)
    shared: dict[tuple[bool, bool], frozenset[Field]] = {}
    for fields in wanted.values():
        shared[_networks(fields)] = shared.get(_networks(fields), frozenset()) | fields
    return {
        name: replace(source, wanted=shared[_networks(fields)]) for name, fields in wanted.items()
    }


def _networks(fields: frozenset[Field]) -> tuple[bool, bool]:
    """Which networks a probe is: that of all rows, and those that have each fold held out.

    They are trained side by side, in products whose last bits depend on how many there are.
    """
    return bool(fields - {"held_out"}), "held_out" in fields
