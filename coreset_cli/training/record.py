"""What training shows of each row: how well it is predicted, epoch after epoch.

Source: definitions of the methods that read them: Toneva et al., "Example forgetting", ICLR 2019
(`correct`); Pleiss et al., "Area under the margin", NeurIPS 2020 (`margin`); Paul et al., "Deep
learning on a data diet", NeurIPS 2021 (`error_norm`); Zhang et al., "Temporal dual-depth scoring",
CVPR 2024 (`drift`).
Cost: O(n·e + n·c) memory for e epochs, some products of [m, c] a step.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, Snapshot
from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.signals import Signals, SignalsRecord, write_signals
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.training.measures import drift, measured
from coreset_cli.training.networks import Network

__all__ = ["EARLY", "Recorder"]

EARLY = 10
"""Epochs after which the early picture of the network is taken."""


class Recorder:
    """Keeps the signals of a training run; one callable, for any loop of PyTorch.

    A row is written at its number, so the loader gives the numbers of a batch beside its rows, and
    may shuffle, augment, and end on a batch of any size. Logits may be of any floating type and on
    any device, as mixed precision leaves them, and with or without a gradient; what is kept of
    them is float32, computed in float64. An entry that was never written is NaN. A row shown twice
    in an epoch keeps the later entries.

        recorder = Recorder(n=len(data), classes=10, epochs=30)
        for epoch in range(30):
            for rows, pictures, targets in loader:      # [m], [m, …], [m]
                logits = network(pictures)              # [m, 10]
                recorder(epoch, rows, logits, targets)
                ...                                     # loss, backward, step
        recorder.snapshot(30, network, pictures_in_row_order)
        recorder.write("signals.parquet")               # coreset select --signals signals.parquet

    Methods that read dynamics alone (forgetting, aum, dyn-unc, dual, tdds) need no snapshot; those
    that read `early` or `last` need it, and those that read `held_out` need logits of rows by
    networks that were not trained on them, given to `write`.

    Args:
        n: rows.
        classes: how many; 2 or more.
        epochs: of the run.
        early: epochs after which the network is pictured, beside the end; in a shorter run, the
            end alone.
        view: what the loop shows: the logits of the step itself (`train`: as augmented, before
            the step), or those of the same parameters in eval mode and not augmented (`eval`).
    """

    def __init__(
        self,
        *,
        n: int,
        classes: int,
        epochs: int,
        early: int = EARLY,
        view: Literal["train", "eval"] = "train",
    ) -> None:
        if classes < 2:
            raise InvalidParameter(
                f"signals of training need 2 classes or more, the labels have {classes}"
            )
        self.n, self.classes, self.epochs = n, classes, epochs
        self.early, self.view = early, view
        self.snapshots: tuple[Snapshot, ...] = ()
        self._series: dict[str, Float32[Tensor, "e n"]] = {}
        self._before = torch.empty(0)
        self._written = torch.empty(0)
        self._targets = torch.empty(0)

    def snapshot_epochs(self, epochs: int) -> tuple[int, ...]:
        """Epochs after which a run of this length is pictured."""
        return (self.early, epochs) if self.early < epochs else (epochs,)

    def __call__(
        self,
        epoch: int,
        rows: Int64[Tensor, " m"],
        logits: Float[Tensor, "m k"],
        targets: Int64[Tensor, " m"],
    ) -> None:
        """Take the logits of some rows, before the step that learns from them.

        Args:
            epoch: counted from 0.
            rows: [m] their numbers, from 0 to n − 1.
            logits: [m, classes], before any softmax.
            targets: [m] class of each row, the column of its logit.

        Raises:
            InvalidParameter: numbers of epochs, rows or classes that the recorder was not made for.
            NotFinite: NaN or Inf among the logits.
        """
        logits = logits.detach()
        rows = rows.to(logits.device)
        targets = targets.to(logits.device)
        self._require_known(epoch, rows, logits, targets)
        if not self._series:
            self._allocate(logits.device)
        p, found = measured(logits.double(), targets)
        finite = p.isfinite().all(1)
        if not finite.all():
            row = int(rows[~finite][0])
            raise NotFinite(
                f"the logits of row {row} in epoch {epoch + 1} are not finite; "
                "lower the learning rate, or train in float32"
            )
        known = self._written[rows] == epoch - 1
        moved = drift(p, self._before[rows].double())
        found["drift"] = torch.where(known, moved, torch.nan)
        for name, values in found.items():
            self._series[name][epoch, rows] = values.float()
        self._before[rows] = p.float()
        self._written[rows] = epoch
        self._targets[rows] = targets

    def _require_known(
        self,
        epoch: int,
        rows: Int64[Tensor, " m"],
        logits: Float[Tensor, "m k"],
        targets: Int64[Tensor, " m"],
    ) -> None:
        """Check what is told against what the recorder was made for: a device would not say."""
        if not 0 <= epoch < self.epochs or logits.shape[1] != self.classes:
            raise InvalidParameter(
                f"the recorder was made for {self.epochs} epochs, counted from 0, and "
                f"{self.classes} classes; it was told of epoch {epoch} and {logits.shape[1]} logits"
            )
        wrong = (rows < 0) | (rows >= self.n) | (targets < 0) | (targets >= self.classes)
        if wrong.any():
            place = int(wrong.nonzero()[0])
            raise InvalidParameter(
                f"the recorder was made for {self.n} rows and {self.classes} classes, both counted "
                f"from 0; it was told of row {int(rows[place])} of class {int(targets[place])}"
            )

    def _allocate(self, device: torch.device) -> None:
        shape = (self.epochs, self.n)
        self._series = {name: torch.full(shape, torch.nan, device=device) for name in SERIES}
        self._before = torch.zeros((self.n, self.classes), device=device)
        self._written = torch.full((self.n,), -2, dtype=torch.int64, device=device)
        self._targets = torch.full((self.n,), -1, dtype=torch.int64, device=device)

    def snapshot(
        self, epoch: int, network: Network, images: Iterable[Float[Tensor, "_ ..."]]
    ) -> None:
        """Picture a network: features and logits of all rows, in eval mode, and its last layer.

        Early on, where the run is long enough for `snapshot_epochs` to say so, and at the end.

        Args:
            epoch: epochs it was trained for.
            network: left in the mode it was in; wrap one of your own as `Network(body, head)`, the
                head being its last layer, an `nn.Linear`, and the body all before it.
            images: all rows in order, batch by batch, normalised and not augmented, on the device
                of the network.

        Raises:
            InvalidParameter: more or fewer rows than the recorder was made for, or a third picture.
        """
        if len(self.snapshots) == 2:
            raise InvalidParameter(
                "signals hold two pictures of a network, an early one and that of the end; take "
                f"them after epochs {self.snapshot_epochs(self.epochs)}"
            )
        was_training = network.training
        network.eval()
        features, logits = [], []
        with torch.no_grad():
            for batch in images:
                feature = network.features(batch)
                features.append(feature.float().cpu())
                logits.append(network.head(feature).float().cpu())
        network.train(was_training)
        rows = sum(map(len, features))
        if rows != self.n:
            raise InvalidParameter(f"the recorder has {self.n} rows, the pictures are {rows}")
        taken = Snapshot(
            epoch=epoch,
            logits=torch.cat(logits).numpy(),
            feature=torch.cat(features).numpy(),
            weight=network.head.weight.detach().float().cpu().numpy().copy(),
            bias=network.head.bias.detach().float().cpu().numpy().copy(),
        )
        self.snapshots = (*self.snapshots, taken)

    def dynamics(self) -> Dynamics:
        """[n, e] of each signal."""
        if not self._series:
            self._allocate(torch.device("cpu"))
        series = {name: values.T.cpu().numpy().copy() for name, values in self._series.items()}
        return Dynamics(**{**series, "correct": series["correct"] == 1})

    def signals(
        self,
        *,
        ids: Ids,
        labels: Labels,
        network: str,
        recipe: Mapping[str, Any],
        seed: int,
        train: Mapping[str, Any] | None = None,
        held_out: Float32[NDArray[np.float32], "n k"] | None = None,
    ) -> Signals:
        """What was recorded, with what it is of.

        Args:
            ids: [n] of the rows.
            labels: [n] trained on, the classes in the order of the logits.
            network: what was trained.
            recipe: its hyperparameters.
            seed: of the run.
            train: what it was trained on: path, rows, digests.
            held_out: [n, classes] logits of each row by a network that was not trained on it.
        """
        record = SignalsRecord(
            network=network,
            recipe=recipe,
            seed=seed,
            classes=labels.names,
            labels_digest=labels.digest(),
            epochs=self.epochs,
            snapshot_epochs=tuple(shot.epoch for shot in self.snapshots),
            view=self.view,
            train=train or {},
        )
        return Signals(
            ids=ids,
            labels=labels,
            record=record,
            dynamics=self.dynamics(),
            snapshots=self.snapshots,
            held_out=held_out,
        )

    def write(
        self,
        path: str | Path,
        *,
        names: Sequence[str] | None = None,
        ids: Sequence[str] | Sequence[int] | None = None,
        network: str = "a network of one's own",
        seed: int = 0,
        held_out: Float32[NDArray[np.float32], "n k"] | None = None,
    ) -> None:
        """Write a file for `coreset select --signals` and `coreset evaluate --signals`.

        Args:
            path: of a Parquet file; one that is there is replaced.
            names: [classes] label of each class, in the order of the logits, as the vectors that
                are selected from have them; by default 0, 1, …
            ids: [n] of the rows, as the vectors have them; by default the row numbers.
            network: what was trained, for the manifest.
            seed: of the run, for the manifest.
            held_out: [n, classes] logits of each row by a network that was not trained on it.

        Raises:
            InvalidParameter: a row was never shown, or not one name a class, or one id a row.
            CoresetError: ids that are not distinct, or a file that cannot be written.
        """
        codes = self._targets.cpu().numpy() if self._series else np.full(self.n, -1)
        unseen = np.flatnonzero(codes < 0)
        if len(unseen):
            raise InvalidParameter(
                f"{len(unseen)} of {self.n} rows were never shown to the recorder, row {unseen[0]} "
                "among them; show every row at least once (a loader with drop_last=False)"
            )
        texts = tuple(map(str, range(self.classes) if names is None else names))
        counts = len(set(texts)), self.n if ids is None else len(ids)
        if counts != (self.classes, self.n):
            raise InvalidParameter(
                f"{self.classes} distinct names and {self.n} ids were expected, not {counts}"
            )
        signals = self.signals(
            ids=row_numbers(self.n) if ids is None else make_ids(pa.array(ids), "ids"),
            labels=Labels(codes, texts),
            network=network,
            recipe={},
            seed=seed,
            held_out=held_out,
        )
        write_signals(Path(path), signals)
