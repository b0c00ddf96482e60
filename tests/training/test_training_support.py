"""Support rows: which ones an epoch trains on, and what they are mixed with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from coreset_cli.training.augment import Draws, augmented, draw, epoch_generator
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.loop import train
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import network_recipe
from coreset_cli.training.support import draw_mix, epoch_rows, mixed, rows_an_epoch, steps_an_epoch

SUPPORT = np.arange(4, 12)


def pictures(n: int = 12, support=SUPPORT, classes: int = 2) -> Images:
    """Row i has the grey i in all pixels, and the class i modulo the classes."""
    values = np.broadcast_to(np.arange(n)[:, None, None, None], (n, 4, 4, 1)).astype(np.uint8)
    images = images_of(values, np.arange(n) % classes)
    return replace(images, support=torch.from_numpy(np.isin(np.arange(n), support)))


def rows_of(images, text, epoch=0, seed=0):
    return epoch_rows(images, network_recipe(text), epoch_generator(seed, epoch)).tolist()


def small() -> Network:
    torch.manual_seed(0)
    return Network(torch.nn.Flatten(), torch.nn.Linear(16, 2))


def weights_of(network):
    return network.head.weight.detach().clone()


@pytest.mark.parametrize(
    ("core", "support", "text", "expected"),
    [
        (4, 8, "echo", 8),
        (20, 3, "echo", 23),
        (20, 0, "echo", 20),
        (0, 5, "echo", 5),  # nothing to stand beside: they are trained on
        (4, 8, "echo:support_a_epoch=6", 10),
        (4, 8, "echo:support_a_epoch=60", 12),
        (4, 8, "echo:support_a_epoch=all", 12),
        (4, 8, "quick", 12),
    ],
)
def test_rows_of_an_epoch(core, support, text, expected):
    recipe = network_recipe(text)
    assert rows_an_epoch(core, support, recipe) == expected
    rows = epoch_rows(
        pictures(core + support, np.arange(core, core + support)), recipe, epoch_generator(0, 0)
    )
    assert len(rows) == len(set(rows.tolist())) == expected
    batched = replace(recipe, batch=4)
    assert steps_an_epoch(core + support, support, batched) == max(1, -(-expected // 4)) - (
        expected % 4 == 1
    )


def test_core_rows_are_in_every_epoch_and_support_rows_are_drawn_anew():
    images = pictures()
    epochs = [rows_of(images, "echo", epoch) for epoch in range(40)]
    for rows in epochs:
        assert len(set(rows)) == len(rows) == 8
        assert set(rows) >= {0, 1, 2, 3}
    drawn = [tuple(sorted(set(rows) - {0, 1, 2, 3})) for rows in epochs]
    assert len(set(drawn)) > 20
    times = np.bincount(np.concatenate(drawn), minlength=12)[4:]
    assert times.sum() == 160
    assert times.min() > 8  # of 20 expected, with a deviation of 3.2
    assert times.max() < 32
    places = [rows.index(0) for rows in epochs]
    assert min(places) == 0  # core rows and support rows are shuffled together
    assert max(places) == 7


def test_the_same_seed_draws_the_same_rows():
    images = pictures()
    assert rows_of(images, "echo", 3) == rows_of(images, "echo", 3)
    assert rows_of(images, "echo", 3) != rows_of(images, "echo", 4)
    assert rows_of(images, "echo", 3) != rows_of(images, "echo", 3, seed=1)


def test_without_support_rows_the_order_is_the_plain_one():
    plain = torch.randperm(12, generator=epoch_generator(0, 0)).tolist()
    assert rows_of(replace(pictures(), support=None), "echo") == plain
    assert rows_of(pictures(support=[]), "echo") == plain
    assert rows_of(pictures(), "quick") == plain
    assert rows_of(pictures(), "echo:support_a_epoch=all") == plain


def test_some_rows_keep_their_roles():
    assert pictures().take(np.array([3, 4, 11, 0])).support.tolist() == [False, True, True, False]
    assert replace(pictures(), support=None).take(np.array([1])).support is None


@pytest.mark.parametrize("text", ["echo:epochs=5,batch=3", "echo:epochs=5,interpolate=mixup"])
def test_training_follows_the_roles_and_the_seed(text):
    recipe = network_recipe(text)

    def trained(images, seed=0, recipe=recipe):
        network, told = small(), []
        train(network, images, recipe, seed=seed, pulse=lambda done, total: told.append(total))
        return weights_of(network), told

    first, told = trained(pictures())
    assert told == 5 * steps_an_epoch(12, 8, recipe) * [len(told)]
    assert torch.equal(first, trained(pictures())[0])
    assert not torch.equal(first, trained(pictures(), seed=1)[0])
    assert not torch.equal(first, trained(pictures(support=[4]))[0])
    whole = replace(recipe, support_a_epoch="all", interpolate="none")
    alike = trained(replace(pictures(), support=None), recipe=whole)[0]
    assert torch.equal(trained(pictures(), recipe=whole)[0], alike)
    assert not torch.equal(first, alike)


def test_the_history_is_of_the_rows_trained_on():
    images, recipe = pictures(), network_recipe("echo:epochs=1,precision=float32,structure=0")
    rows = epoch_rows(images, recipe, epoch_generator(0, 0))
    logits = small()(images.normalised(rows)).detach()
    expected = torch.nn.functional.cross_entropy(logits, images.targets[rows])
    (record,) = train(small(), images, recipe, seed=0).history
    assert record.loss == pytest.approx(float(expected), rel=1e-5)
    right = (logits.argmax(1) == images.targets[rows]).float().mean()
    assert record.train_accuracy == pytest.approx(float(right))


def test_identity_mixes_nothing():
    assert draw_mix(pictures(), network_recipe("echo"), epoch_generator(0, 0)) is None
    recipe = network_recipe("echo:interpolate=mixup")
    assert draw_mix(pictures(support=[]), recipe, epoch_generator(0, 0)) is None


def test_support_rows_are_mixed_with_core_rows_of_their_class():
    images, recipe = pictures(), network_recipe("echo:interpolate=mixup")
    partners, shares = [], []
    for epoch in range(60):
        mix = draw_mix(images, recipe, epoch_generator(0, epoch))
        assert mix.partner[:4].tolist() == [0, 1, 2, 3]
        assert mix.share[:4].tolist() == [1, 1, 1, 1]
        assert (images.targets[mix.partner] == images.targets).all()
        assert (mix.partner[4:] < 4).all()
        partners.append(mix.partner[4:].tolist())
        shares.append(mix.share[4:].tolist())
    for place, partner in enumerate(np.transpose(partners)):
        assert set(partner) == {place % 2, place % 2 + 2}  # every core row of the class
        assert 15 < (partner < 2).sum() < 45
    flat = np.ravel(shares)
    assert flat.min() >= 0
    assert flat.max() <= 1
    assert abs(flat.mean() - 0.5) < 0.05
    assert abs(flat.std() - 12**-0.5) < 0.02
    rows = torch.arange(12)
    batch = mixed(images, rows, Draws(), mix, recipe)
    grey = (batch * images.std + images.mean)[:, 0, 0, 0] * 255
    expected = mix.share * rows + (1 - mix.share) * mix.partner
    torch.testing.assert_close(grey, expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(batch[:4], augmented(images, rows[:4], Draws(), recipe))


def test_a_support_row_without_core_rows_of_its_class_stays_as_it_is():
    images = pictures(6, support=[1, 3, 4, 5])  # core rows 0 and 2 are of class 0
    mix = draw_mix(images, network_recipe("echo:interpolate=mixup"), epoch_generator(0, 0))
    assert mix.partner.tolist()[1::2] == [1, 3, 5]
    assert mix.share.tolist()[1::2] == [1, 1, 1]
    assert mix.partner[4] in (0, 2)
    alone = draw_mix(
        pictures(4, support=[0, 1, 2, 3]),
        network_recipe("echo:interpolate=mixup"),
        epoch_generator(0, 0),
    )
    assert alone.partner.tolist() == [0, 1, 2, 3]


def test_rows_are_augmented_each_on_its_own_before_they_are_mixed():
    rng = np.random.default_rng(0)
    images = images_of(rng.integers(0, 256, (12, 6, 6, 3)).astype(np.uint8), np.arange(12) % 2)
    images = replace(images, support=torch.from_numpy(np.isin(np.arange(12), SUPPORT)))
    recipe, generator = network_recipe("echo:interpolate=mixup"), epoch_generator(0, 0)
    draws = draw(recipe, images.pixels.shape, generator, torch.device("cpu"))
    mix = draw_mix(images, recipe, generator)
    every = augmented(images, torch.arange(12), draws, recipe)
    share = mix.share[:, None, None, None]
    expected = share * every + (1 - share) * every[mix.partner]
    torch.testing.assert_close(
        mixed(images, torch.tensor([9, 1]), draws, mix, recipe), expected[[9, 1]]
    )


def test_mixing_takes_nothing_from_other_draws():
    """The rows and crops of an epoch are the same with and without it."""
    images = pictures()
    for text in ("echo", "echo:interpolate=mixup"):
        assert rows_of(images, text, 2) == rows_of(images, "echo", 2)
