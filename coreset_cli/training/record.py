"""What training shows of each row: how well it is predicted, epoch after epoch.

Source: definitions of the methods that read them: Toneva et al., "Example forgetting", ICLR 2019
(`correct`); Pleiss et al., "Area under the margin", NeurIPS 2020 (`margin`); Paul et al., "Deep
learning on a data diet", NeurIPS 2021 (`error_norm`); Zhang et al., "Temporal dual-depth scoring",
CVPR 2024 (`drift`).
Cost: O(n·e + n·c) memory for e epochs, some products of [m, c] a step.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, Snapshot
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.training.networks import Network

__all__ = ["EARLY", "Recorder"]

EARLY = 10
"""Epochs after which the early picture of the network is taken."""

EPSILON = 1e-8
"""Added to probabilities before their logarithm, as the authors of `drift` do."""


class Recorder:
    """Keeps the signals of a training run; one callable, for any loop of PyTorch.

    A row is written at its number, so loaders may shuffle. An entry that was never written is NaN.
    A row shown twice in an epoch keeps the later entries.

        recorder = Recorder(n=len(data), classes=10, epochs=30)
        for epoch in range(30):
            for rows, pictures, targets in loader:
                logits = network(pictures)
                recorder(epoch, rows, logits.detach(), targets)
                ...                                     # loss, backward, step
        recorder.snapshot(30, network, pictures_in_row_order)
        dynamics, snapshots = recorder.dynamics(), recorder.snapshots

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
            rows: their numbers.
            logits: one a class.
            targets: class of each row.

        Raises:
            NotFinite: NaN or Inf among the logits.
        """
        if not self._series:
            self._allocate(logits.device)
        rows = rows.to(logits.device)
        targets = targets.to(logits.device)
        p, found = _measured(logits.double(), targets)
        finite = p.isfinite().all(1)
        if not finite.all():
            row = int(rows[~finite][0])
            raise NotFinite(
                f"the logits of row {row} in epoch {epoch + 1} are not finite; "
                "lower the learning rate, or train in float32"
            )
        moved = p * ((p + EPSILON).log() - (self._before[rows].double() + EPSILON).log())
        known = self._written[rows] == epoch - 1
        found["drift"] = torch.where(known, moved.abs().sum(1), torch.nan)
        for name, values in found.items():
            self._series[name][epoch, rows] = values.float()
        self._before[rows] = p.float()
        self._written[rows] = epoch

    def _allocate(self, device: torch.device) -> None:
        shape = (self.epochs, self.n)
        self._series = {name: torch.full(shape, torch.nan, device=device) for name in SERIES}
        self._before = torch.zeros((self.n, self.classes), device=device)
        self._written = torch.full((self.n,), -2, dtype=torch.int64, device=device)

    def snapshot(
        self, epoch: int, network: Network, images: Iterable[Float32[Tensor, "_ c h w"]]
    ) -> None:
        """Picture a network: features and logits of all rows, in eval mode, and its last layer.

        Args:
            epoch: epochs it was trained for.
            network: left in the mode it was in; wrap one of your own as `Network(body, head)`.
            images: all rows in order, batch by batch, normalised and not augmented.

        Raises:
            InvalidParameter: more or fewer rows than the recorder was made for.
        """
        was_training = network.training
        network.eval()
        features, logits = [], []
        with torch.no_grad():
            for batch in images:
                feature = network.features(batch)
                features.append(feature.cpu())
                logits.append(network.head(feature).cpu())
        network.train(was_training)
        rows = sum(map(len, features))
        if rows != self.n:
            raise InvalidParameter(f"the recorder has {self.n} rows, the pictures are {rows}")
        taken = Snapshot(
            epoch=epoch,
            logits=torch.cat(logits).numpy(),
            feature=torch.cat(features).numpy(),
            weight=network.head.weight.detach().cpu().numpy().copy(),
            bias=network.head.bias.detach().cpu().numpy().copy(),
        )
        self.snapshots = (*self.snapshots, taken)

    def dynamics(self) -> Dynamics:
        """[n, e] of each signal."""
        if not self._series:
            self._allocate(torch.device("cpu"))
        series = {name: values.T.cpu().numpy().copy() for name, values in self._series.items()}
        return Dynamics(**{**series, "correct": series["correct"] == 1})


def _measured(
    logits: Float64[Tensor, "m k"], targets: Int64[Tensor, " m"]
) -> tuple[Float64[Tensor, "m k"], dict[str, Float64[Tensor, " m"]]]:
    """Probabilities, and what is recorded of them, in float64."""
    own = targets[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_own = classes == own
    p = logits.softmax(1)
    others = p.masked_fill(is_own, 0.0)
    # −Σ of the others: p − 1 would round to 0 for rows that are fitted well.
    error = torch.where(is_own, -others.sum(1, keepdim=True), p)
    largest = torch.where(logits == logits.amax(1, keepdim=True), classes, len(classes)).amin(1)
    found = {
        "correct": (largest == targets).double(),
        "margin": _margin(logits, is_own),
        "margin_prob": _margin(p, is_own),
        "p_true": p.gather(1, own)[:, 0],
        "error_norm": error.norm(dim=1),
    }
    return p, found


def _margin(values: Float64[Tensor, "m k"], is_own: Bool[Tensor, "m k"]) -> Float64[Tensor, " m"]:
    """Own value less the largest of the others."""
    own = values.masked_fill(~is_own, -torch.inf).amax(1)
    return own - values.masked_fill(is_own, -torch.inf).amax(1)
