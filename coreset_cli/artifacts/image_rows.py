"""How rows of images travel: their Arrow types, and portions of a few megabytes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.io.matrix import BLOCK_BYTES

__all__ = ["IMAGE", "image_batch", "image_schema", "owners", "portions"]

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""An image as Hugging Face keeps it."""


class _Sized(Protocol):
    def __len__(self) -> int: ...


S = TypeVar("S", bound=_Sized)


def owners(parts: Sequence[S], rows: NDArray[np.int64]) -> list[tuple[S, int]]:
    """For each row of all parts, the part that holds it and its number there."""
    starts = np.cumsum([0, *map(len, parts)])
    owner = np.searchsorted(starts, rows, side="right") - 1
    inside = (rows - starts[owner]).tolist()
    return [(parts[part], row) for part, row in zip(owner, inside, strict=True)]


def portions(sizes: Sequence[int]) -> Iterator[slice]:
    """Runs of samples that together hold a few megabytes; a large sample is a run of its own."""
    first = total = 0
    for place, size in enumerate(sizes):
        if place > first and total + size > BLOCK_BYTES:
            yield slice(first, place)
            first, total = place, 0
        total += size
    if first < len(sizes):
        yield slice(first, len(sizes))


def image_batch(values: Mapping[str, Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    """A batch of the columns of a schema; other values are left out."""
    arrays = [pa.array(values[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def image_schema(kinds: Mapping[str, pa.DataType]) -> pa.Schema:
    """Columns, with the word by which Hugging Face knows an image from a struct."""
    features = {name: {"_type": "Image"} for name, kind in kinds.items() if kind == IMAGE}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return pa.schema(list(kinds.items()), metadata)
