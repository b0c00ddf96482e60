"""What damage to images looks like: every kind, on real images, in both profiles.

What it shows: one image a row, one kind of damage a column. The profile `standard` takes any size,
grey or in colour; `mds-release` takes images of 32 or 64 pixels in colour, and shows what published
rows were made from: noise that destroys an image, black fog, a rectangle that never moves.

    python examples/contact_sheet.py out/

writes contact_sheet.png, in seconds. A handwritten digit and two photographs come with
scikit-learn; where CORESET_TEST_DATA names a folder with `cifar10/train.parquet` and
`fashion-mnist/train-images-idx3-ubyte.gz`, images from there join them.
"""

import gzip
import os
import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from _arrays import key_of
from _drawing import WIDTH, save, styled
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

from coreset_cli.corruption.images import KINDS, ImageOptions, corrupt_pixels, generator
from coreset_cli.seeds import Rng

Pixels = NDArray[np.uint8]

DATA = "CORESET_TEST_DATA"
STANDARD = ImageOptions()
RELEASE = ImageOptions(profile="mds-release")
SLANTED = ImageOptions(angle=45)


def bundled() -> dict[str, Pixels]:
    """Images that come with scikit-learn."""
    temple, flower = datasets.load_sample_images().images
    digit = datasets.load_digits().images[0]
    return {
        "digit": np.rint(digit * 255 / 16).astype(np.uint8),
        "temple": scaled(temple[40:400, 140:620], 144, 192),
        "flower": scaled(flower[:427, 100:527], 64, 64),
    }


def from_folder(folder: Path) -> dict[str, Pixels]:
    """A few images of CIFAR-10 and one of Fashion-MNIST."""
    table = pq.read_table(folder / "cifar10" / "train.parquet", columns=["image"]).slice(0, 5)
    stored = [image["bytes"] for image in table["image"].to_pylist()]
    path = folder / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        clothes = np.frombuffer(file.read(16 + 28 * 28)[16:], np.uint8).reshape(28, 28)
    return {
        "CIFAR-10 frog": np.array(Image.open(BytesIO(stored[0]))),
        "CIFAR-10 car": np.array(Image.open(BytesIO(stored[4]))),
        "Fashion-MNIST": clothes,
    }


def scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """A photograph at another size."""
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def damaged(image: Pixels, number: int, options: ImageOptions) -> dict[str, Pixels]:
    """One image by kind; its number stands for its id."""
    found = {}
    for kind in KINDS:
        word = Rng(0).draws(f"contact sheet {kind}", key_of(number + 1))[number]
        found[kind] = corrupt_pixels(image, kind, generator(int(word)), options)
    return found


def sheet(rows: list[tuple[str, Pixels, dict[str, Pixels]]]) -> plt.Figure:
    """Rows are images in a profile: label, original, damaged ones by kind."""
    figure, axes = plt.subplots(
        len(rows), 1 + len(KINDS), figsize=(WIDTH, 1.85 * len(rows) + 0.4), squeeze=False
    )
    figure.subplots_adjust(
        left=0.13, right=0.995, bottom=0.01, top=1 - 0.35 / (1.85 * len(rows)), wspace=0.04
    )
    for line, (label, original, found) in zip(axes, rows, strict=True):
        for axis, image in zip(line, [original, *found.values()], strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set(visible=True, color="#CCCCCC")
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    for axis, name in zip(axes[0], ["original", *KINDS], strict=True):
        axis.set_title(name, fontweight="bold")
    return figure


def main(out: Path) -> list[tuple[str, Pixels, dict[str, Pixels]]]:
    """Write contact_sheet.png; return what is on it, row by row."""
    images = bundled()
    if DATA in os.environ:
        images |= from_folder(Path(os.environ[DATA]))
    rows = []
    for number, (name, image) in enumerate(images.items()):
        label = f"{name}\n{image.shape[0]} × {image.shape[1]}"
        rows.append((f"{label}\nstandard", image, damaged(image, number, STANDARD)))
        if name == "temple":
            slanted = damaged(image, number, SLANTED)
            rows.append((f"{label}\nstandard\nangle=45", image, slanted))
        if image.shape in [(32, 32, 3), (64, 64, 3)]:
            rows.append((f"{label}\nmds-release", image, damaged(image, number, RELEASE)))
    with styled():
        save(sheet(rows), out / "contact_sheet.png")
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
