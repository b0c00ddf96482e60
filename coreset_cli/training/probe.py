"""Signals of training from vectors alone: a small classifier, trained in seconds.

Multinomial logistic regression, or one hidden layer, by stochastic gradient descent on vectors
standardised with the mean and deviation of all rows. The model of all rows and those that have
each fold held out are trained side by side: they share batches, and every product of rows with
weights. Everything runs in the order of the ids, so the order of rows in the file changes nothing.

Source: out-of-fold prediction: Stone, "Cross-validatory choice and assessment of statistical
predictions", JRSS B 1974.
Cost: O(e n d c) time for e epochs, six times that with held-out logits; O(n (d + c)) memory.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.signals import Signals, SignalsRecord
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key, Rng
from coreset_cli.selector import Field, Progress, silent
from coreset_cli.training.folds import stratified_folds
from coreset_cli.training.linear import fit_scaling
from coreset_cli.training.parallel import Models, optimiser_of, run_epoch
from coreset_cli.training.record import EARLY, Recorder

__all__ = ["ProbeRecipe", "probe_memory", "train_probe"]

FOLDS = 5
"""Parts of the rows that are held out, one after another."""

CLIP = 8.0
"""Deviations from the mean at which a feature is cut off: one gross outlier must not turn the
weights of all others."""

NEVER = -1e4
"""Logit of a class that no row of a training part has: finite, and of probability 0."""

BLOCK = 8192
"""Rows whose logits are taken at once."""


@dataclass(frozen=True, kw_only=True)
class ProbeRecipe:
    """How a probe is trained.

    Args:
        hidden: width of the hidden layer; 0 is a linear probe.
        epochs: passes over the rows.
        early: epochs after which the early picture is taken.
        batch: rows a step.
        rate: learning rate in units of the inverse curvature of a batch; it falls to 0.
        decay: penalty (decay/2)‖W‖² beside the mean cross-entropy; biases are free.

    Raises:
        InvalidParameter: a value out of its range.
    """

    hidden: int = 0
    epochs: int = 30
    early: int = EARLY
    batch: int = 128
    rate: float = 1.0
    decay: float = 1e-2

    def __post_init__(self) -> None:
        if self.hidden < 0 or self.decay < 0:
            raise InvalidParameter("probe: hidden and decay are 0 or more")
        if min(self.epochs, self.early, self.batch) < 1 or not self.rate > 0:
            raise InvalidParameter("probe: epochs, early, batch and rate are above 0")


def probe_memory(n: int, d: int, c: int, recipe: ProbeRecipe, needs: frozenset[Field]) -> int:
    """Bytes that training holds, with the signals it leaves.

    Args:
        n: rows.
        d: width of the vectors.
        c: classes.
        recipe: of the training.
        needs: what is asked for.
    """
    series = 3 * 24 * recipe.epochs + 4 * c if "dynamics" in needs else 0
    pictures = 2 * 4 * (recipe.hidden + c) if {"early", "last"} & needs else 0
    held_out = 2 * 4 * c if "held_out" in needs else 0
    parts = 1 + FOLDS
    models = 4 * 4 * parts * (recipe.hidden * d + (recipe.hidden or d) * c)
    block = 4 * min(n, BLOCK) * (16 * c + parts * (recipe.hidden + c))
    # Pictures show the rows as they are scaled, and may have to be put in another order.
    rows = 4 * d * (1 if needs == {"dynamics"} else 2)
    return n * (rows + 48 + series + pictures + held_out) + models + block


def train_probe(
    points: Points,
    ids: Ids,
    labels: Labels,
    recipe: ProbeRecipe,
    *,
    seed: int,
    needs: frozenset[Field],
    progress: Progress = silent,
) -> Signals:
    """Train on all rows, or on all but each fold, as far as what is needed asks for it.

    Signals that are not needed are left empty. The dynamics show the logits of the step itself,
    before it, as those of a network do.

    Args:
        points: the vectors.
        ids: of the rows.
        labels: of the rows.
        recipe: of the training.
        seed: of the order of rows, and of the weights of a hidden layer.
        needs: which signals.
        progress: told the epochs done and in all.

    Raises:
        InvalidParameter: fewer than two classes.
        NotFinite: the training diverged.
    """
    order = np.argsort(points.key.rank)
    key, codes, c = points.key.take(order), labels.codes[order], len(labels.names)
    keeps = recipe.epochs if "dynamics" in needs else 0
    recorder = Recorder(n=len(order), classes=c, epochs=keeps, early=recipe.early)
    wanted = recorder.snapshot_epochs(recipe.epochs) if {"early", "last"} & needs else ()
    rows = _standardised(points.subset(order))
    targets = torch.from_numpy(codes).to(rows.device)
    trains = _parts(codes, key, needs).to(rows.device)
    models = Models(d=rows.shape[1], c=c, p=trains.shape[1], hidden=recipe.hidden, seed=seed).to(
        rows.device
    )
    optimiser = optimiser_of(models, recipe.decay)
    pictures: list[Snapshot] = []
    for epoch in range(recipe.epochs):
        draws = Rng(seed).draws(f"probe, epoch {epoch}", key)
        turns = torch.from_numpy(np.argsort(draws, kind="stable")).to(rows.device)
        if epoch == 0:
            rates = _rates(rows[turns[: recipe.batch]], len(rows), recipe)
        logits = run_epoch(models, optimiser, rows, targets, trains, turns, rates[epoch])
        if keeps:
            for some in torch.arange(len(rows), device=rows.device).split(BLOCK):
                recorder(epoch, some, logits[some], targets[some])
        if epoch + 1 in wanted:
            pictures.append(_snapshot(models, rows, epoch + 1))
        progress(epoch + 1, recipe.epochs)
    signals = Signals(
        ids=ids.take(order),
        labels=labels.take(order),
        record=SignalsRecord(
            network="probe",
            recipe=asdict(recipe),
            seed=seed,
            classes=labels.names,
            labels_digest=labels.digest(),
            epochs=recipe.epochs,
            snapshot_epochs=wanted,
            view="train",
        ),
        dynamics=recorder.dynamics(),
        snapshots=tuple(pictures),
        held_out=_held_out(models, rows, trains, targets) if "held_out" in needs else None,
    )
    in_order = bool((np.diff(order) > 0).all())
    return signals if in_order else signals.take(np.argsort(order))


def _standardised(points: Points) -> Float32[Tensor, "n d"]:
    """All rows with mean 0 and deviation 1 in every feature, cut off far out."""
    scaling = fit_scaling(points)
    centre = torch.from_numpy(scaling.centre).to(points.device)
    spread = torch.from_numpy(scaling.spread).to(points.device)
    rows = torch.empty(points.n, points.d, device=points.device)
    for start, block in points.blocks():
        rows[start : start + len(block)] = ((block - centre) / spread).clamp(-CLIP, CLIP)
    return rows


def _parts(codes: NDArray[np.int64], key: Key, needs: frozenset[Field]) -> Bool[Tensor, "n p"]:
    """Which rows each model trains on: all of them, and all but those of each fold."""
    whole = np.ones((len(codes), 1 if needs & {"dynamics", "early", "last"} else 0), bool)
    if "held_out" in needs:
        fold = stratified_folds(codes, key, FOLDS)
        whole = np.hstack([whole, fold[:, None] != np.arange(FOLDS)])
    return torch.from_numpy(whole)


def _rates(some: Float32[Tensor, "b d"], n: int, recipe: ProbeRecipe) -> list[list[float]]:
    """Learning rate of each step of each epoch, falling to 0.

    The curvature of the mean cross-entropy is at most half that of the rows of a batch, the
    constant 1 among them.
    """
    curvature = 1 + float(torch.linalg.matrix_norm(some, 2)) ** 2 / len(some)
    steps = -(-n // recipe.batch)
    falling = (
        recipe.rate / curvature * (1 - np.arange(recipe.epochs * steps) / recipe.epochs / steps)
    )
    return falling.reshape(recipe.epochs, steps).tolist()


@torch.no_grad()
def _snapshot(models: Models, rows: Float32[Tensor, "n d"], epoch: int) -> Snapshot:
    """Picture the first model."""
    weight, bias = models.weight[0], models.bias[0]
    feature = rows
    if models.body is not None:
        feature = torch.cat([models.features(part)[:, 0] for part in rows.split(BLOCK)])
    logits = feature @ weight.T + bias
    _require_finite(logits)
    return Snapshot(
        epoch=epoch,
        logits=logits.cpu().numpy(),
        feature=feature.cpu().numpy(),
        weight=weight.cpu().numpy().copy(),
        bias=bias.cpu().numpy().copy(),
    )


@torch.no_grad()
def _held_out(
    models: Models,
    rows: Float32[Tensor, "n d"],
    trains: Bool[Tensor, "n p"],
    targets: Int64[Tensor, " n"],
) -> NDArray[np.float32]:
    """[n, c] logits of each row by the model that was not trained on it."""
    judge = (~trains).long().argmax(1)
    c = models.bias.shape[1]
    logits = torch.empty(len(rows), c, device=rows.device)
    for some in torch.arange(len(rows), device=rows.device).split(BLOCK):
        logits[some] = models(rows[some])[torch.arange(len(some)), judge[some]]
    _require_finite(logits)
    of_class = torch.nn.functional.one_hot(targets, c).T.float()
    unseen = of_class @ trains.float() == 0
    return logits.masked_fill(unseen.T[judge], NEVER).cpu().numpy()


def _require_finite(logits: Float32[Tensor, "n c"]) -> None:
    finite = logits.isfinite().all(1)
    if not finite.all():
        raise NotFinite(
            f"the probe diverged on {int((~finite).sum())} of {len(logits)} rows; "
            "lower its learning rate, as in --signals probe:rate=0.1"
        )
