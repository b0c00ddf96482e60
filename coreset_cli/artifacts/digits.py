"""The 1,797 handwritten digits that come with scikit-learn: real data without a network.

Source: Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998 (its test part, as scikit-learn ships it).
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.errors import FileMissing
from coreset_cli.io.digest import hash_integers
from coreset_cli.seeds import Key, Rng

__all__ = ["DIGITS", "digit_images", "load_digits"]

DIGITS = ("digits:train", "digits:test")


def load_digits(name: str) -> tuple[NDArray[np.float32], pa.Table]:
    """Pixels scaled to [−1, 1], and the labels, of one part of a fixed stratified split.

    A quarter of each class, chosen by a keyed hash of the row number, is the test part.

    Args:
        name: `digits:train` or `digits:test`.

    Raises:
        FileMissing: another name.
    """
    pixels, labels = _part(name)
    vectors = (pixels / 8.0 - 1.0).astype(np.float32)
    return vectors, pa.table({"label": labels})


def digit_images(name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The same rows as [n, 8, 8] grey images from 0 to 255, and their labels.

    Args:
        name: `digits:train` or `digits:test`.

    Raises:
        FileMissing: another name.
    """
    pixels, labels = _part(name)
    return np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8), labels


def _part(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """[n, 64] pixels from 0 to 16, and [n] labels."""
    if name not in DIGITS:
        raise FileMissing(f"no data set {name}; there are {' and '.join(DIGITS)}")
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    numbers = np.arange(len(labels))
    order = Rng(0).shuffled("digits split", Key(numbers, hash_integers(numbers)))
    is_test = np.zeros(len(labels), bool)
    for label in range(10):
        members = order[labels[order] == label]
        is_test[members[: (len(members) + 2) // 4]] = True
    rows = np.flatnonzero(is_test == (name == "digits:test"))
    return pixels[rows], labels[rows].astype(np.int64)
