"""The published judges of synthetic sets, against a loop of their own."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.nn import functional

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.augment import draw, epoch_generator, one_family
from coreset_cli.training.batches import images_of
from coreset_cli.training.loop import train
from coreset_cli.training.networks import build, network_spec
from coreset_cli.training.recipe import network_recipe
from coreset_cli.training.schedule import learning_rate

STRATEGY = "color_crop_cutout_flip_scale_rotate"


@pytest.mark.parametrize(("name", "epochs"), [("dc", 300), ("dsa", 1000)])
def test_recipes_are_the_published_ones(name, epochs):
    recipe = network_recipe(name)  # methods/condensation.md, section 1.6
    expected = {
        "epochs": epochs + 1,
        "batch": 256,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "nesterov": False,
        "restart": True,
        "crop": "none",
        "cutout": 0,
        "precision": "float32",
        "siamese": STRATEGY if name == "dsa" else "none",
    }
    fields = asdict(recipe)
    assert {field: fields[field] for field in expected} == expected
    for steps in (1, 3):
        rates = [learning_rate(recipe, epoch * steps, steps) for epoch in range(epochs + 1)]
        last = epochs // 2 + 1  # the rate falls after this epoch, counted from 0
        assert rates[: last + 1] == [0.01] * (last + 1)
        assert rates[last + 1 :] == pytest.approx([0.001] * (epochs - last))


def test_dc_is_the_loop_of_its_authors():
    """Their loop: E + 1 epochs, a new optimiser where the rate falls; here E = 300 in 30."""
    rng = np.random.default_rng(0)
    images = images_of(rng.integers(0, 256, (6, 8, 8, 1), np.uint8), np.arange(6) % 3)

    def fresh():
        return build(network_spec("convnet:width=4"), classes=3, channels=1, size=8, seed=1)

    short = "dc:epochs=31,milestones=17,milestones_of=31"
    network, reference, kept = fresh(), fresh(), fresh()
    train(network, images, network_recipe(short), seed=0)
    train(kept, images, network_recipe(f"{short},restart=false"), seed=0)
    rate, total, pixels = 0.01, 30, images.normalised(slice(None))
    settings = {"momentum": 0.9, "weight_decay": 5e-4}
    optimiser = torch.optim.SGD(reference.parameters(), lr=rate, **settings)
    for epoch in range(total + 1):
        optimiser.zero_grad()
        functional.cross_entropy(reference(pixels), images.targets).backward()
        optimiser.step()
        if epoch == total // 2 + 1:
            rate *= 0.1
            optimiser = torch.optim.SGD(reference.parameters(), lr=rate, **settings)
    for found, expected in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(kept.head.weight, reference.head.weight, rtol=1e-3, atol=1e-5)


def batch(c: int = 3, m: int = 40) -> torch.Tensor:
    return torch.randn((m, c, 8, 8), generator=torch.Generator().manual_seed(c))


def seen(text: str, pictures: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return one_family(pictures, network_recipe(text), epoch_generator(seed, 0))


def test_one_family_a_batch_and_parameters_of_its_own_for_each_picture():
    pictures = batch(m=1).expand(40, 3, 8, 8)
    holes = seen("dsa:siamese=cutout", pictures) == 0
    assert (holes.any((1, 2, 3))).all()
    assert len({tuple(hole.flatten().tolist()) for hole in holes}) > 5
    moved = seen("dsa:siamese=color", pictures)
    assert len({round(float(row.mean()), 4) for row in moved}) > 30
    shares = set()
    for seed in range(8):  # the family is of the whole batch
        both = seen("dsa:siamese=cutout_color", pictures, seed)
        shares.add(float((both == 0).any((1, 2, 3)).float().mean()))
    assert shares == {0.0, 1.0}


def test_mirroring_follows_flip():
    def share_mirrored(text, pictures):
        found = seen(text, pictures)
        mirrored = (found == pictures.flip(3)).all(3).all(2).all(1)
        assert (mirrored | (found == pictures).all(3).all(2).all(1)).all()
        return float(mirrored.float().mean())

    colour, grey = batch(3), batch(1)
    assert 0.2 < share_mirrored("dsa:siamese=flip", colour) < 0.8
    assert share_mirrored("dsa:siamese=flip", grey) == 0
    assert share_mirrored("dsa:siamese=flip,flip=never", colour) == 0
    assert 0.2 < share_mirrored("dsa:siamese=flip,flip=always", grey) < 0.8


def test_grey_pictures_draw_among_the_other_families():
    """Nothing is wasted on a family that is left out: every batch is changed."""
    grey = batch(1)
    for seed in range(20):
        assert not torch.equal(seen("dsa:siamese=flip_cutout", grey, seed), grey)


def test_nothing_else_mirrors_beside_the_families():
    shape = torch.Size([40, 3, 8, 8])
    for text, expected in (("dsa", False), ("dsa:siamese=none", True)):
        drawn = draw(network_recipe(text), shape, epoch_generator(0, 0), torch.device("cpu"))
        assert (drawn.mirrored is not None) == expected


@pytest.mark.parametrize("text", ["dc", "quick", "dsa:augment_from=9", "dsa:augment=colour"])
def test_without_families_nothing_is_drawn(text):
    pictures = batch(1)
    generator = epoch_generator(0, 0)
    assert one_family(pictures, network_recipe(text), generator) is pictures
    assert torch.equal(generator.get_state(), epoch_generator(0, 0).get_state())


def test_dsa_draws_anew_with_every_seed_and_repeats_with_the_same():
    rng = np.random.default_rng(0)
    images = images_of(rng.integers(0, 256, (6, 8, 8, 3), np.uint8), np.arange(6) % 3)
    heads = []
    for seed in (0, 0, 1):
        network = build(network_spec("convnet:width=4"), classes=3, channels=3, size=8, seed=1)
        train(network, images, network_recipe("dsa:epochs=3"), seed=seed)
        heads.append(network.head.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("dsa:siamese=color_blur", "unknown augmentation 'blur'"),
        ("dsa:siamese=crop_crop", "twice"),
        ("dsa:schedule=cosine", "restart goes with schedule=steps"),
    ],
)
def test_what_cannot_be_is_refused(text, part):
    with pytest.raises(InvalidParameter, match=part):
        network_recipe(text)
