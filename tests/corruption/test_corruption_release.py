import io

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from coreset_cli.corruption import release
from coreset_cli.corruption.draws import generator, normals


def random_image(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [32, 64])
def test_fog_is_black(size):
    assert release.fog(np.full((size, size, 3), 255, np.uint8)).max() == 0
    assert release.fog(random_image(size)).max() == 0


@pytest.mark.parametrize(("size", "side", "share"), [(32, 16, 0.25), (64, 41, 0.41)])
def test_the_rectangle_is_fixed(size, side, share):
    values = random_image(size) | 1
    black = release.occlusion(values) == 0
    expected = np.zeros((size, size, 3), bool)
    expected[5 : 5 + side, 5 : 5 + side] = True
    assert np.array_equal(black, expected)
    assert black.mean() == pytest.approx(share, abs=0.001)
    assert np.array_equal(release.occlusion(values)[~black], values[~black])


@pytest.mark.parametrize(("size", "small"), [(32, 8), (64, 16)])
def test_resolution_is_that_of_pillow(size, small):
    image = Image.fromarray(random_image(size))
    coarse = image.resize((small, small), Image.Resampling.BICUBIC)
    expected = coarse.resize((size, size), Image.Resampling.BICUBIC)
    assert np.array_equal(release.resolution(np.array(image)), np.array(expected))


@pytest.mark.parametrize("size", [32, 64])
def test_motion_blurs_rounds_and_stretches_all_channels_together(size):
    row = [378, 432, 272, 341, 420, 348, 278, 400, 400, 278, 348, 420, 341, 272, 432]
    kernel = np.zeros((15, 15, 1))
    kernel[7:9, :, 0] = row
    values = random_image(size)
    values[..., 2] //= 3
    blurred = np.rint(scipy.ndimage.correlate(values / 1.0, kernel, mode="mirror") / 15360)
    low, high = blurred.min(), blurred.max()
    found = release.motion(values)
    assert np.array_equal(found, np.rint((blurred - low) * 255 / (high - low)))
    assert (found.min(), found.max()) == (0, 255)
    assert found[..., 2].max() < 128


def test_motion_makes_constant_images_black():
    assert release.motion(np.full((32, 32, 3), 200, np.uint8)).max() == 0


def test_noise_wraps_around():
    values = random_image(32)
    noise = 0.2 + normals(generator(7), values.size)
    expected = []
    for pixel, more in zip(values.ravel().tolist(), noise.tolist(), strict=True):
        fraction = min(1.0, max(-1.0, pixel / 255 + more))
        expected.append(int(fraction * 255) % 256)  # int cuts towards 0
    assert release.gaussian(values, generator(7)).ravel().tolist() == expected


def test_noise_destroys_an_image():
    found = np.stack([release.gaussian(random_image(64, seed), generator(seed)) for seed in (1, 2)])
    assert (found == 255).mean() == pytest.approx(0.39, abs=0.02)
    assert (found <= 1).mean() == pytest.approx(0.05, abs=0.01)


def test_hand_worked_wraps():
    # −1 becomes 1 and −0.5 becomes 129: noise of these sizes, whatever the pixel is worth
    noise = 0.2 + normals(generator(8), 32 * 32 * 3).reshape(32, 32, 3)
    found = release.gaussian(np.zeros((32, 32, 3), np.uint8), generator(8))
    assert (found[noise <= -1] == 1).all()
    assert (noise <= -1).any()
    near = abs(noise + 0.5) < 0.5 / 255
    assert near.any()
    assert set(found[near].tolist()) <= {129, 130}


def test_jpeg_is_that_of_pillow():
    values = random_image(64)
    stored = io.BytesIO()
    Image.fromarray(values).save(stored, "JPEG")  # the quality is Pillow's own: 75
    assert np.array_equal(release.after_jpeg(values), np.array(Image.open(stored)))
    assert not np.array_equal(release.after_jpeg(values), values)
