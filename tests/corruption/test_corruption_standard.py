import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from coreset_cli.corruption import standard
from coreset_cli.corruption.draws import generator, normals

sides = st.integers(1, 40)
levels = st.integers(0, 255)


def random_image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def constant(h, w, level, channels):
    return np.full((h, w, *([channels] if channels else [])), level, np.uint8)


def test_hand_worked_bytes_of_fog():
    black, white = (standard.fog(constant(32, 32, level, 3)) for level in (0, 255))
    assert (black[16, 16] == 114).all()
    assert (black[0, 0] == 108).all()
    assert (white[16, 16] == 141).all()
    assert (white[0, 0] == 147).all()


@given(sides, sides, levels, st.sampled_from([None, 1, 3]), st.sampled_from([0.0, 33.0]))
@settings(max_examples=60, deadline=None)
def test_constant_images_have_no_motion_and_no_resolution(h, w, level, channels, angle):
    values = constant(h, w, level, channels)
    assert np.array_equal(standard.motion(values, angle), values)
    assert np.array_equal(standard.resolution(values), values)


@pytest.mark.parametrize("shape", [(32, 32, 3), (33, 47), (64, 64, 1)])
def test_motion_is_a_weighted_mean_of_two_rows(shape):
    row = [378, 432, 272, 341, 420, 348, 278, 400, 400, 278, 348, 420, 341, 272, 432]
    kernel = np.zeros((15, 15, *(1 for _ in shape[2:])))
    kernel[7:9] = np.reshape(row, (15, *(1 for _ in shape[2:]))) / (2 * sum(row))
    values = random_image(shape)
    expected = scipy.ndimage.correlate(values / 255, kernel, mode="mirror")
    found = standard.motion(values, 0.0)
    assert found / 255 == pytest.approx(expected, abs=0.5001 / 255)


@pytest.mark.parametrize(("size", "length"), [(28, 13), (8, 3), (5, 3), (4, 1), (1, 1)])
def test_motion_of_small_images_is_a_running_mean(size, length):
    values = random_image((size, size + 3))
    for angle, axis in [(0.0, 1), (90.0, 0)]:
        running = scipy.ndimage.uniform_filter1d(values / 1.0, length, axis=axis, mode="mirror")
        assert np.array_equal(standard.motion(values, angle), np.rint(running))
    if size < 5:
        assert np.array_equal(standard.motion(values, 45.0), values)


@pytest.mark.parametrize(
    ("shape", "small"),
    [((32, 32), (8, 8)), ((31, 50), (7, 12)), ((7, 32), (1, 8)), ((3, 1), (1, 1))],
)
def test_resolution_is_that_of_pillow(shape, small):
    image = Image.fromarray(random_image((*shape, 3)))
    coarse = image.resize(small[::-1], Image.Resampling.BICUBIC)
    expected = np.array(coarse.resize(image.size, Image.Resampling.BICUBIC))
    found = standard.resolution(np.array(image))
    assert np.array_equal(found, expected)
    for channel in range(3):
        grey = np.array(image)[:, :, channel]
        assert np.array_equal(standard.resolution(grey), expected[:, :, channel])
    for axis, side in enumerate(shape):
        if side < 8:  # a single pixel on the way
            assert (np.ptp(found, axis=axis) == 0).all()


@given(sides, sides, st.sampled_from([None, 1, 3]), st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_occlusion_covers_exactly_its_square(h, w, channels, word):
    side = int(np.floor(min(h, w) / 2 + 0.5))
    values = random_image((h, w, *([channels] if channels else []))) | 1  # nothing is black
    covered = standard.occlusion(values, generator(word))
    black = (covered.reshape(h, w, -1) == 0).all(axis=2)
    assert black.sum() == side**2
    assert black.any(axis=1).sum() == black.any(axis=0).sum() == side
    assert np.array_equal(covered[~black], values[~black])


def test_occlusion_is_anywhere_inside_alike():
    white = np.full((4, 7), 255, np.uint8)
    count = np.zeros((3, 6))
    for word in range(3600):
        rows, columns = np.nonzero(standard.occlusion(white, generator(word)) == 0)
        count[rows[0], columns[0]] += 1
    assert scipy.stats.chisquare(count.ravel()).pvalue > 0.001


@pytest.mark.parametrize("sigma", [0.04, 0.2, 1.0])
def test_noise_is_added_clipped_and_rounded(sigma):
    values = random_image((9, 7, 3))
    noise = normals(generator(5), 9 * 7 * 3).reshape(9, 7, 3)
    expected = np.rint(255 * np.clip(values / 255 + sigma * noise, 0, 1))
    found = standard.gaussian(values, generator(5), sigma)
    assert np.array_equal(found, expected)
    assert {found.min(), found.max()} == {0, 255} or sigma < 0.1


def test_noise_has_the_deviation_asked_for():
    grey = np.full((200, 200), 128, np.uint8)
    found = standard.gaussian(grey, generator(6), 0.1) - 128.0
    assert abs(found.mean()) < 0.5
    assert found.std() == pytest.approx(25.5, rel=0.02)
    columns = found[:, 1:].ravel(), found[:, :-1].ravel()
    assert abs(np.corrcoef(*columns)[0, 1]) < 0.02
