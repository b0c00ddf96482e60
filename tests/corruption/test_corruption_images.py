import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from coreset_cli.corruption import release, standard
from coreset_cli.corruption.images import (
    KINDS,
    ImageOptions,
    corrupt_pixels,
    generator,
    split_mixed,
    stored_as_jpeg,
)
from coreset_cli.errors import InvalidParameter

RELEASE = ImageOptions(profile="mds-release")
DRAWN = {"occlusion", "gaussian"}


def random_image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_mixed_hands_out_fifths():
    assert KINDS == ("motion", "fog", "resolution", "occlusion", "gaussian")
    assert split_mixed(7) == [1, 1, 2, 1, 2]
    assert split_mixed(10) == [2, 2, 2, 2, 2]
    assert split_mixed(0) == [0, 0, 0, 0, 0]


@given(st.integers(0, 10**7))
def test_mixed_hands_out_every_row_once(m):
    expected = [(j + 1) * m // 5 - j * m // 5 for j in range(5)]
    assert split_mixed(m) == expected
    assert sum(expected) == m


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([None, 1, 3])).map(
    lambda shape: shape if shape[2] else shape[:2]
)


@pytest.mark.parametrize("kind", KINDS)
@given(shape=shapes, word=st.integers(0, 2**64 - 1), angle=st.sampled_from([0.0, 70.0]))
@settings(max_examples=40, deadline=None)
def test_any_size(kind, shape, word, angle):
    values = random_image(shape, word)
    before = values.copy()
    values.setflags(write=False)
    options = ImageOptions(angle=angle)
    found = corrupt_pixels(values, kind, generator(word), options)
    assert found.shape == shape
    assert found.dtype == np.uint8
    assert np.array_equal(values, before)
    assert not np.shares_memory(found, values)
    assert np.array_equal(found, corrupt_pixels(values, kind, generator(word), options))
    if len(shape) == 3 and shape[2] == 1:
        grey = corrupt_pixels(values[:, :, 0], kind, generator(word), options)
        assert np.array_equal(found[:, :, 0], grey)
    # rows of a larger array, as a view of a batch gives them
    view = np.stack([values, values], axis=-1)[..., 0]
    assert np.array_equal(found, corrupt_pixels(view, kind, generator(word), options))


def test_kinds_are_what_they_are_called():
    values = random_image((36, 33, 3))
    strong = ImageOptions(sigma=0.5, angle=20.0)
    expected = {
        "motion": standard.motion(values, 20.0),
        "fog": standard.fog(values),
        "resolution": standard.resolution(values),
        "occlusion": standard.occlusion(values, generator(3)),
        "gaussian": standard.gaussian(values, generator(3), 0.5),
    }
    for kind in KINDS:
        found = corrupt_pixels(values, kind, generator(3), strong)
        assert np.array_equal(found, expected[kind]), kind


def test_released_kinds_are_what_they_are_called():
    values = random_image((32, 32, 3))
    expected = {
        "motion": release.motion(values),
        "fog": release.fog(values),
        "resolution": release.resolution(values),
        "occlusion": release.occlusion(values),
        "gaussian": release.gaussian(values, generator(3)),
    }
    for kind in KINDS:
        assert np.array_equal(corrupt_pixels(values, kind, generator(3), RELEASE), expected[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_decides_what_is_drawn_and_nothing_else(kind):
    values = random_image((32, 32, 3))
    for options in (ImageOptions(), RELEASE):
        one, two = (corrupt_pixels(values, kind, generator(w), options) for w in (1, 2))
        draws = kind in DRAWN and (kind, options.profile) != ("occlusion", "mds-release")
        assert np.array_equal(one, two) != draws


def test_released_images_of_64_pixels_have_been_through_jpeg():
    values = random_image((64, 64, 3))
    for kind in KINDS:
        stored = io.BytesIO()
        plain = getattr(release, kind)
        damaged = plain(values, generator(4)) if kind == "gaussian" else plain(values)
        Image.fromarray(damaged).save(stored, "JPEG", quality=75)
        expected = np.array(Image.open(stored))
        assert np.array_equal(corrupt_pixels(values, kind, generator(4), RELEASE), expected)
    assert corrupt_pixels(values, "fog", generator(4), RELEASE).max() == 0
    assert stored_as_jpeg((64, 64, 3), RELEASE)
    assert not stored_as_jpeg((32, 32, 3), RELEASE)
    assert not stored_as_jpeg((64, 64, 3), ImageOptions())


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((28, 28), "28 × 28 in grey"),
        ((32, 32, 1), "32 × 32 in grey"),
        ((32, 64, 3), "32 × 64 in colour"),
        ((96, 96, 3), "96 × 96 in colour"),
    ],
)
def test_the_released_profile_refuses_other_images(shape, said):
    with pytest.raises(InvalidParameter, match=f"not {said}; use the profile standard"):
        corrupt_pixels(random_image(shape), "fog", generator(0), RELEASE)


def test_unknown_kinds_are_refused():
    with pytest.raises(InvalidParameter, match="'gausian'; did you mean gaussian"):
        corrupt_pixels(random_image((8, 8)), "gausian", generator(0), ImageOptions())
    with pytest.raises(InvalidParameter, match="'mixed'; there are motion, fog"):
        corrupt_pixels(random_image((8, 8)), "mixed", generator(0), ImageOptions())


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigma": 0.03},
        {"sigma": 1.1},
        {"sigma": float("nan")},
        {"angle": float("inf")},
        {"angle": float("nan")},
        {"profile": "mds-release", "sigma": 0.3},
        {"profile": "mds-release", "angle": 10.0},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(InvalidParameter, match=next(reversed(wrong))):
        ImageOptions(**wrong)


def test_the_ends_of_the_range_are_allowed():
    assert ImageOptions(sigma=0.04).sigma == 0.04
    assert ImageOptions(sigma=1.0).sigma == 1.0
