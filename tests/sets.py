"""Synthetic sets for tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.artifacts.synthetic import Synthetic, write_synthetic

__all__ = ["DIGITS", "of_bytes", "written"]

DIGITS = (0.3, 0.375)
"""Mean and deviation, about those of the digits."""

MADE = Manifest(command="distill", parameters={"ipc": 1}, inputs=(), seed=3, method="dm")


def of_bytes(values: np.ndarray, codes: np.ndarray, **changes: object) -> Synthetic:
    """A set whose pixels are [m, h, w, c] bytes, normalised."""
    mean, std = (DIGITS[0],) * values.shape[3], (DIGITS[1],) * values.shape[3]
    pixels = (values.transpose(0, 3, 1, 2) / 255 - mean[0]) / std[0]
    whole = Synthetic(
        pixels=pixels.astype(np.float32),
        codes=codes,
        names=tuple(map(str, range(10))),
        integers=True,
        space="normalised",
        mean=mean,
        std=std,
    )
    return replace(whole, **changes)


def written(path: Path, synthetic: Synthetic) -> Path:
    """The set as a file."""
    write_synthetic(path, synthetic, lambda: MADE)
    return path
