"""Signals for methods that read them: from a file, or of a probe that is trained first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, FloatArray, Snapshot
from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.samples import Samples
from coreset_cli.artifacts.signals import Signals, SignalsRecord, read_signals
from coreset_cli.commands.select_probe import FromProbe
from coreset_cli.commands.select_pseudo import FromPseudoLabels, clustering_of
from coreset_cli.errors import InvalidParameter, MissingInput
from coreset_cli.kernels.clustering import Clustering
from coreset_cli.kernels.points import Points
from coreset_cli.selector import Field, Progress, Selector, needs
from coreset_cli.settings import filled, parse_spec
from coreset_cli.training.probe import ProbeRecipe

__all__ = [
    "FIELDS",
    "FromFile",
    "FromProbe",
    "Source",
    "made_up_signals",
    "pseudo_source",
    "reads_file",
    "signals_source",
    "source_of",
]

FIELDS = needs("dynamics", "early", "held_out", "last")
"""What signals hold."""

PROBE = "probe"
"""What is trained where no file is given."""


class Source(Protocol):
    """Where signals come from."""

    @property
    def told(self) -> Mapping[str, Any]:
        """What the manifest says of it; it decides the picks."""

    @property
    def draws(self) -> bool:
        """Whether every seed gives signals of its own."""

    def memory(self, data: Embeddings) -> int:
        """Bytes that making or reading the signals takes, and holding them."""

    def seconds(self, data: Embeddings, device: torch.device) -> float:
        """How long it takes."""

    def signals(self, data: Embeddings, points: Points, seed: int, progress: Progress) -> Signals:
        """The signals of all rows of an input."""


def signals_source(text: str | None, selector: Selector, data: Embeddings) -> Source | None:
    """Where the signals come from that a selector needs; none where it needs none.

    Args:
        text: a file, or `probe` with settings as `probe:hidden=64`; by default a probe.
        selector: what reads them.
        data: the input.

    Raises:
        InvalidParameter: signals for a method that reads none, or settings no probe has.
        MissingInput: a probe without labels to be trained on.
        FileMissing: no such file.
        SchemaMismatch: not signals.
    """
    wanted = selector.needs & FIELDS
    if not wanted:
        if text is not None:
            raise InvalidParameter(
                "--signals is for methods that read signals of training, and this one does not; "
                "leave it out, or see `coreset methods` for those that do"
            )
        return None
    clustering = clustering_of(selector)
    if clustering is None:
        return source_of(text, wanted, data)
    return pseudo_source(text, clustering, wanted, data)


def reads_file(text: str | None) -> bool:
    """Whether signals come from a file."""
    return text is not None and parse_spec(text, "--signals")[0] != PROBE


def source_of(text: str | None, wanted: frozenset[Field], data: Samples) -> Source:
    """Where signals come from.

    Args:
        text: a file, or `probe` with settings; by default a probe.
        wanted: which signals.
        data: the input.

    Raises:
        InvalidParameter: settings no probe has.
        MissingInput: a probe without labels to be trained on.
        FileMissing: no such file.
        SchemaMismatch: not signals.
    """
    if text is not None and reads_file(text):
        return FromFile.of(Path(text))
    probe = _probe(text, wanted)
    if data.labels is None:
        raise MissingInput(
            f"{data.path} has no labels, and this method reads signals of training: a probe is "
            "trained on labels; name a column or a file with --label, or give --signals FILE of "
            "`coreset evaluate --record`"
        )
    return probe


def pseudo_source(
    text: str | None, clustering: Clustering, wanted: frozenset[Field], data: Samples
) -> Source:
    """Where signals of a training on clusters come from.

    Args:
        text: a file of such a training, or `probe` with settings; by default a probe.
        clustering: what the probe is trained on.
        wanted: which signals.
        data: the input.

    Raises:
        InvalidParameter: settings no probe has, or an impossible number of clusters.
        MissingInput: nothing says how many clusters there are.
        FileMissing: no such file.
        SchemaMismatch: not signals.
    """
    if text is not None and reads_file(text):
        return replace(FromFile.of(Path(text)), pseudo=True)
    return FromPseudoLabels.of(clustering, _probe(text, wanted), data)


@dataclass(frozen=True, kw_only=True, eq=False)
class FromFile:
    """Signals that were recorded.

    Args:
        path: of the file.
        recorded: what it holds.
        digest: over its ids, labels and values.
        pseudo: its labels are clusters, not those of the input.
    """

    path: Path
    recorded: Signals
    digest: str
    pseudo: bool = False

    @classmethod
    def of(cls, path: Path) -> "FromFile":
        """Read the file.

        Raises:
            CoresetError: whatever reading raises.
        """
        recorded = read_signals(path)
        return cls(path=path, recorded=recorded, digest=_content_digest(recorded))

    @property
    def told(self) -> Mapping[str, Any]:
        """The file, and what is in it."""
        record = self.recorded.record
        return {
            "file": str(self.path),
            "content_digest": self.digest,
            "network": record.network,
            "epochs": record.epochs,
            "view": record.view,
            "seed": record.seed,
        }

    @property
    def draws(self) -> bool:
        """It was one run."""
        return False

    def memory(self, data: Samples) -> int:
        """Of the rows that are taken from it; the file itself is held by now."""
        values = sum(array[:1].nbytes for array in _arrays(self.recorded))
        return len(data.ids) * (values + 64)

    def seconds(self, data: Embeddings, device: torch.device) -> float:
        """It is read by now."""
        return 0.0

    def signals(
        self, data: Samples, points: Points | None, seed: int, progress: Progress
    ) -> Signals:
        """Take each row's by its id."""
        if data.labels is not None and not self.pseudo:
            return self.recorded.of(data.ids, data.labels, source=data.path, target=str(self.path))
        return self.recorded.take(self.recorded.ids.rows_of(data.ids, data.path, str(self.path)))


def made_up_signals(n: int, d: int, c: int, wanted: frozenset[Field]) -> Signals | None:
    """Signals of no training at all, to load and to time what reads them; none where none are read.

    Args:
        n: rows.
        d: width of the features.
        c: classes.
        wanted: fields that are read.
    """
    if not wanted & FIELDS:
        return None
    epochs = ProbeRecipe().epochs

    def values(*shape: int) -> FloatArray:
        return np.sin(np.arange(prod(shape), dtype=np.float32)).reshape(shape)

    series: dict[str, Any] = {name: values(n, epochs) for name in SERIES}
    picture = Snapshot(
        epoch=epochs,
        logits=values(n, c),
        feature=values(n, d),
        weight=values(c, d),
        bias=values(c),
    )
    names = tuple(map(str, range(c)))
    labels = Labels(np.arange(n) % c, names)
    record = SignalsRecord(
        network="none", recipe={}, seed=0, classes=names, labels_digest="", epochs=epochs,
        snapshot_epochs=(epochs,), view="eval",
    )  # fmt: skip
    return Signals(
        ids=row_numbers(n),
        labels=labels,
        record=record,
        dynamics=Dynamics(**{**series, "correct": series["correct"] > 0}),
        snapshots=(picture,),
        held_out=picture.logits,
    )


def _probe(text: str | None, wanted: frozenset[Field]) -> FromProbe:
    settings = parse_spec(text or PROBE, "--signals")[1]
    return FromProbe(recipe=filled(ProbeRecipe, settings, "probe"), wanted=wanted)


def _arrays(signals: Signals) -> list[Any]:
    arrays = [getattr(signals.dynamics, name) for name in SERIES]
    arrays += [array for shot in signals.snapshots for array in (shot.logits, shot.feature)]
    return arrays if signals.held_out is None else [*arrays, signals.held_out]


def _content_digest(signals: Signals) -> str:
    digest = sha256(f"{signals.ids.digest()} {signals.labels.digest()}".encode())
    heads = [array for shot in signals.snapshots for array in (shot.weight, shot.bias)]
    for array in (*_arrays(signals), *heads):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
