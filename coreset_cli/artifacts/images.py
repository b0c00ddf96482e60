"""Samples that are files: images in folders of their class, and WebDataset shards."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import NO_COLUMNS, Columns, columns_in_memory
from coreset_cli.artifacts.ids import Ids
from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.matrix import BLOCK_BYTES
from coreset_cli.io.tar import Member, TarIndex
from coreset_cli.io.tree import IMAGE_SUFFIXES, Tree

__all__ = ["TarData", "TreeData", "class_of"]

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""An image as Hugging Face keeps it."""

TEXT = frozenset({"caption", "json", "text", "txt"})
"""Members of a sample that are text; others are bytes."""

_INTEGER = re.compile("-?[0-9]{1,18}")
"""What a class label that is a number looks like; it fits 64 bits."""


@dataclass(frozen=True, kw_only=True)
class TreeData:
    """Image files below one or more folders.

    Args:
        path: as the user typed it.
        files: the folders.
        ids: the relative paths.
        trees: what lies in the folders.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    trees: tuple[Tree, ...]
    warnings: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        """The class of every file, where all lie in folders of their class."""
        classes = [class_of(name) for tree in self.trees for name in tree.names]
        return NO_COLUMNS if None in classes else columns_in_memory(pa.table({"label": classes}))

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on."""
        for batch in self.read(np.arange(start, len(self.ids)), lambda done, total: None):
            yield batch.select(list(names))

    def places(self, rows: NDArray[np.int64]) -> list[Path]:
        """The files of some rows."""
        return [tree.root / tree.names[inside] for tree, inside in _owners(self.trees, rows)]

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """Id, image and, where every file lies in a folder of its class, label."""
        names = self.ids.take(rows).values.to_pylist()
        classes = [class_of(name) for name in names]
        kinds: dict[str, pa.DataType] = {"id": pa.string(), "image": IMAGE}
        if None not in classes:
            kinds["label"] = pa.string()
        schema = _schema(kinds)

        def batches() -> Iterator[pa.RecordBatch]:
            places = self.places(rows)
            for part in _portions([_file_size(place) for place in places]):
                images = [
                    {"bytes": _read_file(place), "path": name}
                    for place, name in zip(places[part], names[part], strict=True)
                ]
                values = {"id": names[part], "image": images, "label": classes[part]}
                yield _batch(values, schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of the files."""
        return sum(_file_size(place) for place in self.places(rows))


@dataclass(frozen=True, kw_only=True)
class TarData:
    """Samples of WebDataset shards.

    Args:
        path: as the user typed it.
        files: the shards, in the order read.
        ids: shard and key.
        shards: where the members of each sample lie.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    shards: tuple[TarIndex, ...]
    warnings: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        """The `cls` member of every sample as `label`, where all have one."""
        samples = self.samples(np.arange(len(self.ids)))
        found = [_columns(members) for _, members in samples]
        if not all("label" in members for members in found):
            return NO_COLUMNS
        return Columns(("label",), lambda name: pa.chunked_array([_classes(samples, found)]))

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on."""
        for batch in self.read(np.arange(start, len(self.ids)), lambda done, total: None):
            yield batch.select(list(names))

    def samples(self, rows: NDArray[np.int64]) -> list[tuple[TarIndex, list[Member]]]:
        """The shard of each row, and its files in the order of the shard."""
        return [(shard, shard.members(inside)) for shard, inside in _owners(self.shards, rows)]

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """Id, image, the `cls` member as label, and any other member as a column of its name."""
        ids = self.ids.take(rows).values.to_pylist()
        samples = self.samples(rows)
        columns = [_columns(members) for _, members in samples]
        names = sorted(set(chain.from_iterable(columns)))
        classes = _classes(samples, columns)
        labels = classes.to_pylist()
        kinds = {"image": IMAGE, "label": classes.type}
        others = [name for name in names if name not in kinds]
        schema = _schema(
            {"id": pa.string()}
            | {name: kind for name, kind in kinds.items() if name in names}
            | {name: pa.string() if name in TEXT else pa.binary() for name in others}
        )

        def batches() -> Iterator[pa.RecordBatch]:
            sizes = [sum(member.size for member in members) for _, members in samples]
            for part in _portions(sizes):
                values: dict[str, Sequence[object]] = {"id": ids[part], "label": labels[part]}
                for name in ["image", *others]:
                    values[name] = [
                        _value(shard, name, found[name]) if name in found else None
                        for (shard, _), found in zip(samples[part], columns[part], strict=True)
                    ]
                yield _batch(values, schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of all members."""
        return sum(member.size for _, members in self.samples(rows) for member in members)


def class_of(name: str) -> str | None:
    """The class of an image: the first folder of its path, where it lies in one."""
    folder, slash, _ = name.partition("/")
    return folder if slash else None


class _Sized(Protocol):
    def __len__(self) -> int: ...


S = TypeVar("S", bound=_Sized)


def _owners(parts: Sequence[S], rows: NDArray[np.int64]) -> list[tuple[S, int]]:
    """For each row of all parts, the part that holds it and its number there."""
    starts = np.cumsum([0, *map(len, parts)])
    owner = np.searchsorted(starts, rows, side="right") - 1
    inside = (rows - starts[owner]).tolist()
    return [(parts[part], row) for part, row in zip(owner, inside, strict=True)]


def _portions(sizes: Sequence[int]) -> Iterator[slice]:
    """Runs of samples that together hold a few megabytes; a large sample is a run of its own."""
    first = total = 0
    for place, size in enumerate(sizes):
        if place > first and total + size > BLOCK_BYTES:
            yield slice(first, place)
            first, total = place, 0
        total += size
    if first < len(sizes):
        yield slice(first, len(sizes))


def _columns(members: Sequence[Member]) -> dict[str, Member]:
    """The members of a sample by column; its plainest image is `image`, `cls` is `label`."""
    found = {member.extension: member for member in members}
    images = [e for e in found if f".{e.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES]
    named = {"cls": "label"}
    if images:
        named[min(images, key=lambda e: (e.count("."), e))] = "image"
    for extension, member in found.items():
        if extension in {"id", "image", "label"}:
            raise SchemaMismatch(
                f"member {member.name} would be a second column '{extension}'; write a .tar, "
                "which copies members as they are"
            )
    return {named.get(extension, extension): member for extension, member in found.items()}


def _classes(
    samples: Sequence[tuple[TarIndex, list[Member]]], columns: Sequence[Mapping[str, Member]]
) -> pa.Array:
    """The `cls` member of each sample: integers where all are, else texts; null without one."""
    texts = [
        _text(shard, found["label"]).strip() if "label" in found else None
        for (shard, _), found in zip(samples, columns, strict=True)
    ]
    if not all(text is None or _INTEGER.fullmatch(text) for text in texts):
        return pa.array(texts, pa.string())
    return pa.array([None if text is None else int(text) for text in texts], pa.int64())


def _text(shard: TarIndex, member: Member) -> str:
    try:
        return shard.read([member])[0].decode()
    except UnicodeDecodeError as error:
        raise SchemaMismatch(
            f"{shard.path}: member {member.name} is not UTF-8; write a .tar, which copies bytes"
        ) from error


def _value(shard: TarIndex, name: str, member: Member) -> object:
    if name in TEXT:
        return _text(shard, member)
    data = shard.read([member])[0]
    return {"bytes": data, "path": member.name} if name == "image" else data


def _file_size(path: Path) -> int:
    with read_errors(path):
        return path.stat().st_size


def _read_file(path: Path) -> bytes:
    with read_errors(path):
        return path.read_bytes()


def _batch(values: Mapping[str, Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(values[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _schema(kinds: Mapping[str, pa.DataType]) -> pa.Schema:
    """Columns, with the word by which Hugging Face knows an image from a struct."""
    features = {name: {"_type": "Image"} for name, kind in kinds.items() if kind == IMAGE}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return pa.schema(list(kinds.items()), metadata)
