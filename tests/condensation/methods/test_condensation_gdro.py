"""Group-DRO distillation: which rows count for more, and when none does."""

import numpy as np
import pytest
import torch
from tasks import judged, run_of, start_of, step_of, task_of
from torch.nn import functional

from coreset_cli.condensation.cells import class_clusters
from coreset_cli.condensation.gradients import both_answers
from coreset_cli.condensation.methods.dsa import DSA
from coreset_cli.condensation.methods.gdro import GDRO
from coreset_cli.condensation.tails import tail_weights
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.risk import Risk

SHORT = {"steps": 2, "epochs": 1}
PLAIN = [
    {"level": 1.0, "risk": "cells"},
    {"level": 1.0, "risk": "rows"},
    {"mix": 0.0, "risk": "cells"},
    {"mix": 0.0, "risk": "within"},
    {"mix": 0.0, "risk": "rows"},
]


@pytest.mark.parametrize("settings", PLAIN)
def test_without_a_tail_it_is_dsa_bit_for_bit(settings: dict[str, object]) -> None:
    task = task_of(ipc=3)
    ours = run_of(GDRO(**SHORT, **settings), task, 3)[-1]
    theirs = run_of(DSA(**SHORT), task, 3)[-1]
    assert torch.equal(ours.pixels, theirs.pixels)


@pytest.mark.parametrize("settings", PLAIN)
def test_without_a_tail_networks_learn_from_rows_that_count_alike(
    settings: dict[str, object],
) -> None:
    task = task_of(ipc=2)
    ours = run_of(GDRO(dro_target="both", batch=8, **settings), task, 2)[-1]
    theirs = run_of(GDRO(dro_target="net", batch=8, mix=0.0), task, 2)[-1]
    assert torch.equal(ours.pixels, theirs.pixels)


def test_one_image_a_class_is_one_cell_a_class() -> None:
    task, method = task_of(ipc=1), GDRO(level=0.2, **SHORT)
    assert "single cell" in " ".join(method.schedule(task).notes)
    assert not method.schedule(task_of(ipc=2)).notes
    ours = run_of(method, task, 2)[-1]
    assert torch.equal(ours.pixels, run_of(DSA(**SHORT), task, 2)[-1].pixels)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"risk": "within"},
        {"risk": "rows"},
        {"cells": "kmeans"},
        {"cells": "kmeans", "groups": 2},
        {"trim": 0.2, "mix": 0.0},
    ],
)
def test_a_tail_changes_what_is_learned(settings: dict[str, object]) -> None:
    task = task_of(ipc=3)
    ours = run_of(GDRO(**{"level": 0.2, **settings}, **SHORT), task, 1)[-1]
    assert not torch.equal(ours.pixels, run_of(DSA(**SHORT), task, 1)[-1].pixels)


def test_weights_give_the_gradient_of_the_risk_and_not_that_of_the_mean() -> None:
    """The risk is least over η of η + Σ πₖ (Lₖ − η)₊ / α: convex, and least at some Lₖ."""
    task, level, mix = task_of(ipc=3), 0.3, 0.5
    step = step_of(GDRO(), task, start_of(GDRO(), task))
    real, synthetic = both_answers(step, 0, batch=256)
    cells = torch.cdist(real.features, synthetic.features).argmin(1)
    losses = functional.cross_entropy(real.logits, real.targets, reduction="none")
    numbers = cells.unique()
    means = torch.stack([losses[cells == number].mean() for number in numbers])
    share = torch.stack([(cells == number).double().mean() for number in numbers])
    tails = [eta + (share * (means - eta).clamp(min=0)).sum() / level for eta in means.detach()]
    least = int(np.argmin([float(tail.detach()) for tail in tails]))
    # η moves with the losses, but at the least point its own derivative is 0.
    eta = means[least]
    tail = eta + (share * (means - eta).clamp(min=0)).sum() / level
    risk = (1 - mix) * losses.mean() + mix * tail
    weights = tail_weights(step, Risk(level=level, mix=mix), real, cells)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights.min()) >= 0
    body = next(step.network.parameters())
    expected, found, plain = (
        torch.autograd.grad(loss, body, retain_graph=True)[0]
        for loss in (risk, (weights.float() * losses).sum(), losses.mean())
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, plain, rtol=1e-3)


def test_rows_of_largest_loss_may_count_nothing() -> None:
    task = task_of(ipc=3)
    step = step_of(GDRO(), task, start_of(GDRO(), task))
    real, _ = both_answers(step, 0, batch=256)
    cells = torch.arange(12) % 3
    weights = tail_weights(step, Risk(kind="rows", level=0.5, trim=0.25), real, cells)
    losses = functional.cross_entropy(real.logits, real.targets, reduction="none").detach()
    worst_first = losses.argsort(descending=True)
    assert weights[worst_first[:3]].tolist() == [0, 0, 0]
    assert float(weights[worst_first[3:]].min()) > 0


def test_cells_of_a_run_are_remembered() -> None:
    task = task_of(ipc=3)
    state = run_of(GDRO(level=0.2, **SHORT), task, 2)[-1]
    memory = state.memory
    assert memory["worst_cell_loss"] > 0
    assert 1 <= memory["smallest_cell"] <= memory["largest_cell"] <= 12
    assert 1 <= memory["cells"] <= 3
    assert memory["worst_cell_loss_first"] > 0


def test_clusters_divide_each_class_and_stay() -> None:
    pool = task_of(rows=10, classes=3).pool
    found = class_clusters(pool, 2, seed=0)
    assert found is class_clusters(pool, 2, seed=0)
    for code, rows in enumerate(pool.members):
        assert set(found[rows].tolist()) == {2 * code, 2 * code + 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"risk": "rows", "level": 0.5},
        {"dro_target": "net", "batch": 8},
        {"dro_target": "both", "cells": "kmeans", "risk": "within", "groups": 2, "batch": 8},
    ],
)
def test_it_lowers_its_own_loss(settings: dict[str, object]) -> None:
    task, method = task_of(), GDRO(**settings)
    states = run_of(method, task, 20)
    first, last = (judged(method, task, state) for state in (states[0], states[-1]))
    assert last < 0.9 * first


@pytest.mark.parametrize("target", ["net", "both"])
def test_networks_learn_from_real_rows(target: str) -> None:
    task, method = task_of(), GDRO(dro_target=target, risk="rows", epochs=20, network_rate=0.05)
    step = step_of(method, task, start_of(method, task))
    images = task.pool.images

    def loss() -> float:
        with torch.no_grad():
            logits = step.network(images.normalised(slice(None)))
            return float(functional.cross_entropy(logits, images.targets))

    before = loss()
    method.train(step)
    assert loss() < 0.9 * before


@pytest.mark.parametrize(
    "settings",
    [{"level": 0.0}, {"mix": 1.5}, {"trim": 1.0}, {"groups": 0}, {"batch": 0}, {"momentum": 1.0}],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter):
        GDRO(**settings)
