import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.training import batches
from coreset_cli.training.batches import batches_of, images_of, statistics


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (23, 5, 6, 3), np.uint8)


def test_statistics_are_those_of_numpy_in_any_blocks(values, monkeypatch):
    scaled = values / 255
    pixels = torch.from_numpy(values.transpose(0, 3, 1, 2).copy())
    for block in (1, 2000, 1 << 30):
        monkeypatch.setattr(batches, "BLOCK_BYTES", block)
        mean, std = statistics(pixels)
        np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-6)
        np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-6)


def test_a_constant_channel_becomes_zero():
    values = np.full((4, 3, 3, 1), 77, np.uint8)
    images = images_of(values, np.zeros(4, np.int64))
    assert float(images.std) == 1.0
    assert images.normalised(slice(0, 4)).abs().max() < 1e-6


def test_rows_are_normalised_and_laid_out_by_channel(values):
    images = images_of(values, np.arange(23))
    rows = torch.tensor([5, 0, 5])
    mean, std = (values / 255).mean((0, 1, 2)), (values / 255).std((0, 1, 2))
    expected = ((values / 255 - mean) / std)[[5, 0, 5]].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images.normalised(rows), expected, atol=1e-5)
    np.testing.assert_allclose(images.normalised(slice(5, 6)), expected[:1], atol=1e-5)


def test_tests_are_seen_with_the_statistics_of_training(values):
    images = images_of(values, np.arange(23))
    tests = images_of(values[:2] // 2, np.arange(2), like=images)
    assert torch.equal(tests.mean, images.mean)
    assert torch.equal(tests.std, images.std)


def test_some_rows_keep_the_statistics_of_all(values):
    images = images_of(values, np.arange(23), weights=np.arange(1.0, 24))
    some = images.take(np.array([7, 2]))
    assert len(some) == 2
    assert some.targets.tolist() == [7, 2]
    assert some.weights.tolist() == [8.0, 3.0]
    assert torch.equal(some.mean, images.mean)
    assert torch.equal(some.pixels, images.pixels[[7, 2]])


@given(n=st.integers(1, 60), batch=st.integers(1, 70))
def test_batches_hold_every_row_once_and_none_is_alone(n, batch):
    parts = batches_of(torch.arange(n), batch)
    assert torch.cat(parts).tolist() == list(range(n))
    sizes = [len(part) for part in parts]
    if batch > 1:
        assert n == 1 or min(sizes) > 1
        assert max(sizes) <= batch + 1
    assert all(size == min(batch, n) for size in sizes[:-1])


def test_what_cannot_be_written_is_copied(values):
    codes, weights, rows = np.arange(23), np.ones(23), np.array([1, 2])
    grey = values[..., :1].copy()
    for array in (grey, codes, weights, rows):
        array.flags.writeable = False
    images = images_of(grey, codes, weights=weights)
    images.pixels.zero_()
    assert grey.any()
    assert images.take(rows).targets.tolist() == [1, 2]
