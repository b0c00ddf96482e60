"""Against one picture at a time: slicing, torchvision, and the loop of the cutout paper."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as vision

from coreset_cli.training.augment import Draws, augmented, draw, epoch_generator, seen_by_tests
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.recipe import network_recipe

CPU = torch.device("cpu")


def pictures(n: int, h: int, w: int, c: int = 3) -> Images:
    rng = np.random.default_rng(n)
    values = rng.integers(0, 256, (n, h, w, c), np.uint8)
    return images_of(values, rng.integers(0, 4, n))


def drawn(text: str, images: Images, seed: int = 0, epoch: int = 0) -> Draws:
    generator = epoch_generator(seed, epoch)
    return draw(network_recipe(text), images.pixels.shape, generator, CPU)


def batch(text: str, images: Images, draws: Draws, rows: torch.Tensor) -> torch.Tensor:
    return augmented(images, rows, draws, network_recipe(text))


@pytest.mark.parametrize("shape", [(9, 8), (32, 32), (5, 11)])
@pytest.mark.parametrize(("text", "mode"), [("gm-cifar", "constant"), ("echo", "reflect")])
def test_padded_crops_and_mirrors(shape, text, mode):
    images = pictures(40, *shape)
    draws = drawn(text, images)
    rows = torch.tensor([3, 39, 0, 17, 17])
    expected = []
    for row in rows.tolist():
        padded = functional.pad(images.pixels[row][None].float(), (4, 4, 4, 4), mode)[0]
        top, left, tall, wide = draws.boxes[row].tolist()
        assert (tall, wide) == shape
        part = padded[:, top + 4 : top + 4 + tall, left + 4 : left + 4 + wide]
        expected.append(part.flip(2) if draws.mirrored[row] else part)
    found = batch(text, images, draws, rows)
    torch.testing.assert_close(found, images.normalise(torch.stack(expected)), rtol=0, atol=0)


def test_pictures_smaller_than_the_padding_are_reflected_over_and_over():
    images = pictures(30, 2, 1)
    draws = drawn("echo:flip=never", images)
    found = batch("echo", images, draws, torch.arange(30))
    for row in range(30):
        line = np.pad(images.pixels[row].numpy(), [(0, 0), (4, 4), (4, 4)], "reflect")
        top, left = draws.boxes[row, :2].tolist()
        expected = torch.from_numpy(line[:, top + 4 : top + 6, left + 4 : left + 5]).float()
        torch.testing.assert_close(found[row], images.normalise(expected[None])[0])


def test_places_and_mirrors_are_uniform():
    images = pictures(20_000, 4, 4)
    draws = drawn("gm-cifar", images)
    places = (draws.boxes[:, 0] + 4) * 9 + draws.boxes[:, 1] + 4
    counts = np.bincount(places.numpy(), minlength=81)
    assert len(counts) == 81
    assert stats.chisquare(counts).pvalue > 1e-3
    assert stats.binomtest(int(draws.mirrored.sum()), 20_000).pvalue > 1e-3


def test_draws_follow_seed_epoch_and_row_alone():
    images = pictures(50, 8, 8)
    rows = torch.tensor([4, 9, 1])
    text = "gm-cifar:cutout=3"
    together = batch(text, images, drawn(text, images), rows)
    for place, row in enumerate(rows):
        alone = batch(text, images, drawn(text, images), row[None])
        assert torch.equal(alone[0], together[place])
    assert not torch.equal(together, batch(text, images, drawn(text, images, seed=1), rows))
    assert not torch.equal(together, batch(text, images, drawn(text, images, epoch=1), rows))


def test_what_is_augmented_depends_on_colour_and_size():
    grey, colour, small = pictures(9, 32, 32, 1), pictures(9, 32, 32), pictures(9, 31, 32)
    assert drawn("gm-cifar", grey).mirrored is None
    assert drawn("gm-cifar", grey).boxes is not None
    assert drawn("gm-cifar:flip=always", grey).mirrored is not None
    assert drawn("gm-cifar:flip=never", colour).mirrored is None
    assert drawn("gm-tiny", grey).mirrored is None
    for text in ("echo", "quick"):
        assert drawn(text, colour).mirrored is not None
        assert drawn(text, colour).boxes is not None
        nothing = drawn(text, grey)
        assert nothing.mirrored is None
        assert nothing.boxes is None
        rows = torch.arange(9)
        assert torch.equal(batch(text, grey, nothing, rows), grey.normalised(rows))
    assert drawn("quick", small).boxes is None
    assert drawn("echo", small).boxes is not None
    assert drawn("quick:crop=none", colour).boxes is None


@pytest.mark.parametrize(("side", "shape"), [(16, (32, 32)), (3, (7, 9))])
def test_holes_are_those_of_the_paper(side, shape):
    images = pictures(60, *shape)
    text = f"gm-cifar:crop=none,flip=never,cutout={side}"
    draws = drawn(text, images)
    found = batch(text, images, draws, torch.arange(60))
    h, w = shape
    for row in range(60):
        y, x = draws.holes[row].tolist()
        y1, y2 = max(0, y - side // 2), min(h, y - side // 2 + side)
        x1, x2 = max(0, x - side // 2), min(w, x - side // 2 + side)
        expected = images.normalised(torch.tensor([row]))[0].clone()
        expected[:, y1:y2, x1:x2] = 0
        assert torch.equal(found[row], expected)


def test_holes_are_anywhere():
    middles = drawn("gm-cifar:cutout=3", pictures(9000, 5, 6)).holes
    counts = np.bincount((middles[:, 0] * 6 + middles[:, 1]).numpy(), minlength=30)
    assert len(counts) == 30
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("size", [64, 32])
def test_resized_crops_are_those_of_torchvision(size):
    images = pictures(40, size, size)
    draws = drawn("gm-tiny", images)
    small = round(size * 55 / 64)
    expected = []
    for row in range(40):
        part = vision.resized_crop(
            images.pixels[row].float(), *draws.boxes[row].tolist(), [small, small], antialias=True
        )
        whole = vision.resize(part, [size, size], antialias=True)
        expected.append(whole.flip(2) if draws.mirrored[row] else whole)
    found = batch("gm-tiny", images, draws, torch.arange(40))
    torch.testing.assert_close(found, images.normalise(torch.stack(expected)), atol=1e-4, rtol=0)


def test_parts_are_drawn_as_torchvision_draws_them():
    images = pictures(3000, 64, 64, 1)
    boxes = drawn("gm-tiny", images).boxes.numpy()
    blank = torch.zeros(1, 64, 64)
    torch.manual_seed(0)
    theirs = np.array(
        [RandomResizedCrop.get_params(blank, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(3000)]
    )
    for ours, reference in zip(boxes.T, theirs.T, strict=True):
        assert stats.ks_2samp(ours, reference).pvalue > 1e-3
    assert (boxes >= [0, 0, 1, 1]).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 64).all()


def test_where_no_part_fits_it_is_the_middle():
    images = pictures(200, 2, 64)  # twice as wide as allowed, whatever is drawn: few boxes fit
    boxes = drawn("gm-tiny", images).boxes
    assert ((boxes[:, 3] <= 2 * 4 / 3 + 1) & (boxes[:, 2] <= 2)).all()
    fallback = RandomResizedCrop.get_params(torch.zeros(1, 2, 64), (50.0, 60.0), (3 / 4, 4 / 3))
    assert list(fallback) in boxes.tolist()


@pytest.mark.parametrize("size", [64, 32])
def test_tests_see_the_middle_of_resized_pictures(size):
    images = pictures(5, size, size)
    large = round(size * 73 / 64)
    scaled = vision.resize(images.pixels.float(), [large, large], antialias=True)
    expected = images.normalise(vision.center_crop(scaled, [size, size]))
    found = seen_by_tests(images, slice(0, 5), network_recipe("gm-tiny"))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_tests_see_other_pictures_as_they_are():
    images = pictures(5, 32, 32)
    found = seen_by_tests(images, torch.tensor([4, 1]), network_recipe("gm-cifar"))
    assert torch.equal(found, images.normalised(torch.tensor([4, 1])))
