"""Synthetic sets as pictures: held as numbers, seen by networks as they were stored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sets import of_bytes
from torch.nn import functional

from coreset_cli.training.augment import augmented, draw, epoch_generator, seen_by_tests
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.learned import learned_images
from coreset_cli.training.loop import train
from coreset_cli.training.networks import build, network_spec
from coreset_cli.training.recipe import network_recipe

CPU = torch.device("cpu")
CODES = np.arange(12) % 3


def values(c: int = 3, side: int = 8) -> np.ndarray:
    return np.random.default_rng(c).integers(0, 256, (12, side, side, c), np.uint8)


def of_real(images: Images, bytes_: np.ndarray) -> Images:
    """The same pictures as a synthetic set in [0, 1], under the same statistics."""
    unit = bytes_.transpose(0, 3, 1, 2) / np.float32(255)
    found = of_bytes(
        bytes_,
        CODES,
        pixels=unit.astype(np.float32),
        space="unit",
        mean=tuple(images.mean.tolist()),
        std=tuple(images.std.tolist()),
    )
    return learned_images(found, CODES)


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_see_normalised_pixels_as_they_are_stored(channels):
    stored = of_bytes(values(channels), CODES)
    stored.pixels[0, 0] = np.random.default_rng(0).normal(0, 40, (8, 8))  # far beyond a byte
    images = learned_images(stored, CODES)
    assert images.pixels.dtype == torch.float32
    seen = images.normalised(slice(None)).numpy()
    np.testing.assert_allclose(seen, stored.pixels, rtol=2e-6, atol=2e-6)
    assert images.targets.tolist() == CODES.tolist()


def test_pixels_from_0_to_1_are_normalised_on_the_way():
    unit = np.random.default_rng(1).random((12, 3, 8, 8)).astype(np.float32)
    statistics = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    stored = of_bytes(values(), CODES, pixels=unit, space="unit", **statistics)
    expected = (unit - np.float32(statistics["mean"])[:, None, None]) / np.float32(
        statistics["std"]
    )[:, None, None]
    seen = learned_images(stored, CODES).normalised(slice(None)).numpy()
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", ["unit", "normalised"])
def test_images_that_hold_several_are_decoded_part_by_part(space):
    plain = of_bytes(values(1), CODES)
    unit = plain.pixels * np.float32(plain.std[0]) + np.float32(plain.mean[0])
    stored = replace(plain, pixels=unit if space == "unit" else plain.pixels, space=space, factor=2)
    images = learned_images(stored, CODES)
    assert images.targets.tolist() == np.repeat(CODES, 4).tolist()
    part = torch.from_numpy(plain.pixels[5:6, :, 4:, :4])  # the third of the four of image 5
    expected = functional.interpolate(part, size=(8, 8), mode="bilinear", align_corners=False)
    found = images.normalised(torch.tensor([22]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "recipe", ["quick:augment_from=1", "gm-cifar", "gm-tiny", "gm-cifar:cutout=4", "dc"]
)
def test_pictures_of_numbers_are_moved_as_pictures_of_bytes_are(recipe):
    real = images_of(values(), CODES)
    same = of_real(real, values())
    assert torch.equal(same.pixels, real.pixels.float())
    recipe = network_recipe(recipe)
    rows = torch.tensor([3, 0, 11, 3])
    draws = draw(recipe, real.pixels.shape, epoch_generator(0, 1), CPU)
    for seen in (
        lambda images: augmented(images, rows, draws, recipe),
        lambda images: seen_by_tests(images, rows, recipe),
    ):
        assert torch.equal(seen(same), seen(real))


def test_a_network_learns_the_same_from_numbers_as_from_bytes():
    real = images_of(values(), CODES)
    recipe = network_recipe("gm-cifar:epochs=3,batch=5")
    states = []
    for images in (real, of_real(real, values())):
        network = build(network_spec("convnet:width=4"), classes=3, channels=3, size=8, seed=0)
        train(network, images, recipe, seed=0)
        states.append(network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
