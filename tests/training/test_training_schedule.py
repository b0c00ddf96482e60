"""The curves, step by step, against PyTorch's own schedulers and hand-drawn lines."""

import warnings

import numpy as np
import pytest
import torch

from coreset_cli.training.recipe import network_recipe
from coreset_cli.training.schedule import learning_rate

STEPS = 7


def ours(text: str) -> list[float]:
    recipe = network_recipe(text)
    return [learning_rate(recipe, step, STEPS) for step in range(recipe.epochs * STEPS)]


def scheduled(make, epochs: int, *, by_step: bool) -> list[float]:
    """What a scheduler of PyTorch sets, one rate a step."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler, rates = make(optimiser), []
    for _ in range(epochs):
        for _ in range(STEPS):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            if by_step:
                scheduler.step()
        if not by_step:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("text", "epochs", "milestones", "gamma"),
    [
        ("gm-cifar", 200, [60, 120, 160], 0.2),
        ("gm-tiny", 90, [30, 60], 0.1),
        ("gm-cifar:epochs=30", 30, [9, 18, 24], 0.2),
        ("gm-cifar:epochs=7", 7, [3, 5, 6], 0.2),  # 2.1, 4.2 and 5.6: the first epoch not before
        ("gm-tiny:epochs=3", 3, [1, 2], 0.1),
        ("gm-cifar:milestones=10+20,milestones_of=40,epochs=40", 40, [10, 20], 0.2),
    ],
)
def test_steps(text, epochs, milestones, gamma):
    def make(optimiser):
        return torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma)

    np.testing.assert_allclose(ours(text), scheduled(make, epochs, by_step=False), rtol=1e-12)


@pytest.mark.parametrize(("text", "epochs"), [("echo", 200), ("echo:epochs=3", 3)])
def test_cosine(text, epochs):
    def make(optimiser):
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * STEPS, eta_min=1e-4)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = scheduled(make, epochs, by_step=True)
    np.testing.assert_allclose(ours(text), expected, rtol=1e-9)
    assert ours(text)[0] == 0.1


@pytest.mark.parametrize("epochs", [1, 2, 16])
def test_one_cycle(epochs):
    total = epochs * STEPS
    recipe = network_recipe(f"quick:epochs={epochs}")
    top = recipe.learning_rate
    corners = [0, recipe.warm_up * total, total]
    expected = np.interp(np.arange(total), corners, [0.1 * top, top, 0.0])
    np.testing.assert_allclose(ours(f"quick:epochs={epochs}"), expected, rtol=1e-12)
    assert max(expected) <= top


def test_one_cycle_without_warm_up_falls_from_the_top():
    rates = ours("quick:epochs=2,warm_up=0,learning_rate=0.4,last_rate=0.1")
    np.testing.assert_allclose(rates, np.linspace(0.4, 0.1, 2 * STEPS + 1)[:-1], rtol=1e-12)
