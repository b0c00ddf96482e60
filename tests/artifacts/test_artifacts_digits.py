import numpy as np
import pytest
from sklearn.datasets import load_digits as all_digits

from coreset_cli.artifacts.digits import load_digits
from coreset_cli.errors import FileMissing


def test_the_two_parts_are_all_digits_once():
    pixels, labels = all_digits(return_X_y=True)
    parts = [load_digits(name) for name in ("digits:train", "digits:test")]
    rows = [
        (*row, label)
        for vectors, table in parts
        for row, label in zip(((vectors + 1) * 8).tolist(), table["label"].to_pylist(), strict=True)
    ]
    assert sorted(rows) == sorted(
        (*row, label) for row, label in zip(pixels.tolist(), labels.tolist(), strict=True)
    )


def test_a_quarter_of_each_class_is_for_testing():
    _, labels = all_digits(return_X_y=True)
    _, table = load_digits("digits:test")
    whole, part = np.bincount(labels), np.bincount(table["label"].to_numpy())
    assert (np.abs(part - whole / 4) <= 0.5).all()


def test_pixels_are_scaled_to_one():
    vectors, _ = load_digits("digits:train")
    assert (vectors.min(), vectors.max(), vectors.dtype) == (-1, 1, np.float32)


def test_another_name():
    with pytest.raises(FileMissing, match="digits:train and digits:test"):
        load_digits("digits:all")
