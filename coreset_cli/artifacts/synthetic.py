"""A synthetic set: learned images with fixed labels, as `distill` writes them.

A Parquet file: `pixels` are what to train on, `image` is the same to look at. What the numbers
mean (shape, space, statistics, class order) stands in the manifest of the footer; without it the
pixels cannot be used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.image_rows import IMAGE, image_schema
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import MANIFEST_KEY, Manifest, manifest_of, read_record
from coreset_cli.errors import ArtifactIncomplete, NotFinite, SchemaMismatch, StaleParent
from coreset_cli.io.digest import lines_digest
from coreset_cli.io.image import encode_png
from coreset_cli.io.lists import list_column, listed
from coreset_cli.io.parquet import read_schema, read_table, write_parquet
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = [
    "SPACES",
    "Synthetic",
    "content_digest",
    "digest_fault",
    "is_synthetic",
    "read_synthetic",
    "read_unchecked",
    "require_usable",
    "visible",
    "write_synthetic",
]

SPACES = ("normalised", "unit")
"""What pixels are: (x/255 − mean) / std, unbounded; or x/255, about 0 to 1."""

PIXELS = "pixels"
"""Column of the numbers."""

FACTS = "synthetic"
"""What the manifest calls the facts of the pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """Learned images and their classes.

    Args:
        pixels: [m, c, h, w] in `space`; c is 1 or 3.
        codes: [m] class of each.
        names: label of each class as text, in the order of the classes trained on.
        integers: the labels were integers.
        space: one of `SPACES`.
        mean: [c] of x/255.
        std: [c] of x/255.
        factor: each stored image is decoded to so many by so many.
        augmentation: strategy they were learned under, such as `color_crop` or `none`.
    """

    pixels: NDArray[np.float32]
    codes: NDArray[np.int64]
    names: tuple[str, ...]
    integers: bool
    space: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    factor: int = 1
    augmentation: str = "none"

    @property
    def labels(self) -> Labels:
        """One class a row."""
        return Labels(self.codes, self.names)

    @property
    def ipc(self) -> int | None:
        """Stored images a class, where all classes have as many."""
        counts = set(self.labels.counts().tolist())
        return counts.pop() if len(counts) == 1 else None


def write_synthetic(path: Path, synthetic: Synthetic, describe: Callable[[], Manifest]) -> None:
    """Write a synthetic set, whole or not at all; every number reads back as it was.

    Args:
        path: where to.
        synthetic: what to.
        describe: how it came about, asked for as late as can be; number of rows, digest and facts
            of the pixels are filled in here.

    Raises:
        NotFinite: a pixel is NaN or Inf.
        SchemaMismatch: parts that do not go together.
        DiskFull: no space left.
    """
    require_usable(synthetic, str(path))
    m = len(synthetic.pixels)
    labels = synthetic.labels.texts().tolist()
    columns = {
        "id": pa.array(range(m), pa.int64()),
        PIXELS: list_column(synthetic.pixels.reshape(m, -1)),
        "label": pa.array(map(int, labels), pa.int64()) if synthetic.integers else pa.array(labels),
        "image": pa.array(
            [
                {"bytes": encode_png(picture), "path": f"{row}.png"}
                for row, picture in enumerate(visible(synthetic))
            ],
            IMAGE,
        ),
    }
    manifest = describe()
    manifest = replace(
        manifest,
        count=m,
        content_digest=content_digest(synthetic),
        facts={**manifest.facts, FACTS: _facts(synthetic)},
    )
    schema = image_schema({name: column.type for name, column in columns.items()})
    metadata = {**(schema.metadata or {}), MANIFEST_KEY: manifest.to_json().encode()}
    table = pa.table(columns, schema.with_metadata(metadata))
    write_parquet(path, table, vectors=[PIXELS])


def is_synthetic(path: Path) -> bool:
    """Whether a file is one that `write_synthetic` wrote; it may still be damaged.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty, truncated or damaged.
    """
    if kind_of_bytes(first_bytes(path)) != "parquet":
        return False
    schema = read_schema(path)
    text = (schema.metadata or {}).get(MANIFEST_KEY)
    if text is None or PIXELS not in schema.names:
        return False
    return FACTS in _facts_in(read_record(text, str(path)))


def read_synthetic(path: Path) -> Synthetic:
    """Read a synthetic set.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: no synthetic set, or not what its manifest says.
        NotFinite: a pixel is NaN or Inf.
        StaleParent: pixels or labels were changed since.
    """
    synthetic, manifest = read_unchecked(path)
    require_usable(synthetic, str(path))
    fault = digest_fault(synthetic, manifest)
    if fault is not None:
        raise StaleParent(f"{path}: {fault}")
    return synthetic


def read_unchecked(path: Path) -> tuple[Synthetic, Manifest]:
    """Read a synthetic set, and leave it to the caller to hold it against its manifest.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: no synthetic set.
    """
    if kind_of_bytes(first_bytes(path)) != "parquet":
        raise SchemaMismatch(f"{path} is no synthetic set; `coreset distill` writes one")
    schema = read_schema(path)
    text = (schema.metadata or {}).get(MANIFEST_KEY)
    if text is None:
        missing = "its manifest" if PIXELS in schema.names else f"a column '{PIXELS}'"
        raise SchemaMismatch(
            f"{path} is no synthetic set: it lacks {missing}; `coreset distill` writes one, and "
            "other programs may lose the footer of a copy"
        )
    record = read_record(text, str(path))
    facts = _facts_in(record).get(FACTS)
    if facts is None:
        raise SchemaMismatch(
            f"{path} is no synthetic set: its manifest names no pixels; name what "
            "`coreset distill` wrote"
        )
    try:
        return _read(read_table(path), facts), manifest_of(record, str(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SchemaMismatch(
            f"{path} is not what its manifest says ({error}); distill again"
        ) from error


def digest_fault(synthetic: Synthetic, manifest: Manifest) -> str | None:
    """What is wrong where a manifest is of another set; nothing where it is of this one."""
    if manifest.content_digest == content_digest(synthetic):
        return None
    return (
        "pixels, labels or statistics are not those that the manifest digests; distill again, or "
        "take a copy that is as it was written"
    )


def require_usable(synthetic: Synthetic, name: str) -> None:
    """Check that a set can be trained on.

    Args:
        synthetic: the set.
        name: the file, for messages.

    Raises:
        ArtifactIncomplete: no images.
        SchemaMismatch: parts that do not go together.
        NotFinite: a pixel is NaN or Inf.
    """
    if len(synthetic.pixels) == 0:
        raise ArtifactIncomplete(f"{name} holds no images; distill again")
    if wrong := _mismatch(synthetic):
        raise SchemaMismatch(f"{name}: {wrong}; distill again")
    flat = synthetic.pixels.reshape(len(synthetic.pixels), -1)
    bad = np.flatnonzero(~np.isfinite(flat).all(axis=1))
    if len(bad):
        raise NotFinite(
            f"{name}: the pixels of row {bad[0]} hold NaN or Inf ({len(bad)} of {len(flat)} rows); "
            "distill again, at a lower rate"
        )


def content_digest(synthetic: Synthetic) -> str:
    """SHA-256 of the pixels and of what they mean, then of the labels."""
    meaning = _facts(synthetic)
    del meaning["augmentation"], meaning["ipc"]
    digest = sha256(f"{len(synthetic.pixels)} {meaning}\n".encode())
    digest.update(np.ascontiguousarray(synthetic.pixels, "<f4").tobytes())
    digest.update(lines_digest(synthetic.labels.texts().tolist()).encode())
    return digest.hexdigest()


def visible(synthetic: Synthetic) -> NDArray[np.uint8]:
    """[m, h, w, c] the images from 0 to 255, clipped and rounded."""
    pixels = synthetic.pixels.transpose(0, 2, 3, 1).astype(np.float64)
    if synthetic.space == "normalised":
        pixels = pixels * synthetic.std + synthetic.mean
    return np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)


def _facts(synthetic: Synthetic) -> dict[str, Any]:
    """What the pixels are, for the manifest."""
    return {
        "shape": list(synthetic.pixels.shape[1:]),
        "space": synthetic.space,
        "mean": list(map(float, synthetic.mean)),
        "std": list(map(float, synthetic.std)),
        "factor": synthetic.factor,
        "augmentation": synthetic.augmentation,
        "ipc": synthetic.ipc,
        "classes": list(synthetic.names),
        "integers": synthetic.integers,
    }


def _facts_in(record: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = record.get("facts")
    return facts if isinstance(facts, dict) else {}


def _read(table: pa.Table, facts: Mapping[str, Any]) -> Synthetic:
    c, h, w = map(int, facts["shape"])
    if min(c, h, w) < 1:
        raise ValueError(f"images of {c}×{h}×{w} pixels")
    values = listed(table, PIXELS, c * h * w, pa.float32())
    names = tuple(map(str, facts["classes"]))
    places = {name: place for place, name in enumerate(names)}
    texts = [str(label) for label in table["label"].to_pylist()]
    if unknown := set(texts) - set(names):
        raise ValueError(f"label '{min(unknown)}' is none of its classes")
    return Synthetic(
        pixels=values.reshape(-1, c, h, w),
        codes=np.array([places[text] for text in texts], np.int64),
        names=names,
        integers=bool(facts["integers"]),
        space=str(facts["space"]),
        mean=tuple(map(float, facts["mean"])),
        std=tuple(map(float, facts["std"])),
        factor=int(facts["factor"]),
        augmentation=str(facts["augmentation"]),
    )


def _mismatch(synthetic: Synthetic) -> str:
    """What does not go together; nothing where all does."""
    m, c, h, w = synthetic.pixels.shape
    names, codes = synthetic.names, synthetic.codes
    statistics = np.array([*synthetic.mean, *synthetic.std], np.float64)
    if c not in (1, 3):
        return f"{c} channels, where images have 1 or 3"
    if (len(synthetic.mean), len(synthetic.std)) != (c, c) or not np.isfinite(statistics).all():
        return f"mean {synthetic.mean} and std {synthetic.std} are not {c} numbers each"
    if min(synthetic.std) <= 0:
        return f"std {synthetic.std} is not above 0"
    if synthetic.space not in SPACES:
        return f"space '{synthetic.space}' is none of {', '.join(SPACES)}"
    if not 1 <= synthetic.factor <= min(h, w):
        return f"factor {synthetic.factor} does not fit images of {h}×{w}"
    if len(set(names)) < len(names):
        return "two classes have one name"
    if len(codes) != m or codes.min() < 0 or codes.max() >= len(names):
        return f"{len(codes)} labels of {len(names)} classes do not go with {m} images"
    return ""
