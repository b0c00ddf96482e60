import numpy as np
import pytest
import torch
from torch import nn

from coreset_cli.errors import InfeasibleBudget
from coreset_cli.training.batches import images_of
from coreset_cli.training.crossfit import held_out_logits
from coreset_cli.training.loop import logits_of, train
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import network_recipe

RECIPE = network_recipe("quick:epochs=2,batch=8,precision=float32")


def fresh(seed: int) -> Network:
    torch.manual_seed(seed)
    return Network(nn.Flatten(), nn.Linear(48, 3))


def pictures(n: int = 30):
    rng = np.random.default_rng(0)
    return images_of(rng.integers(0, 256, (n, 4, 4, 3), np.uint8), rng.integers(0, 3, n))


def test_each_row_is_judged_by_a_network_of_the_other_folds():
    images, folds = pictures(), np.arange(30) % 3
    told: list[tuple[int, int]] = []
    found = held_out_logits(
        fresh, images, RECIPE, folds=folds, seed=4, pulse=lambda *steps: told.append(steps)
    )
    for fold in range(3):
        network = fresh(4)
        train(network, images.take(np.flatnonzero(folds != fold)), RECIPE, seed=4)
        rows = np.flatnonzero(folds == fold)
        np.testing.assert_array_equal(found[rows], logits_of(network, images, RECIPE)[rows])
    assert told == [(step, 18) for step in range(1, 19)]  # 3 folds, 2 epochs, 3 batches


def test_a_row_s_own_label_does_not_matter():
    images, folds = pictures(), np.arange(30) % 3
    before = held_out_logits(fresh, images, RECIPE, folds=folds, seed=4)
    images.targets[5] = (images.targets[5] + 1) % 3
    after = held_out_logits(fresh, images, RECIPE, folds=folds, seed=4)
    same = folds == folds[5]
    np.testing.assert_array_equal(after[same], before[same])
    assert not np.array_equal(after[~same], before[~same])


def test_one_fold_is_too_few():
    with pytest.raises(InfeasibleBudget, match="2 folds"):
        held_out_logits(fresh, pictures(), RECIPE, folds=np.zeros(30, np.int64), seed=0)
