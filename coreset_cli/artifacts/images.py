"""Samples that are files: images in folders of their class, and WebDataset shards."""

import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import NO_COLUMNS, Columns, columns_in_memory
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.image_rows import IMAGE, image_batch, image_schema, owners, portions
from coreset_cli.errors import FileMissing, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.tar import Member, TarIndex
from coreset_cli.io.tree import IMAGE_SUFFIXES, Tree

__all__ = ["IMAGE", "TarData", "TreeData", "class_of"]

TEXT = frozenset({"caption", "json", "text", "txt"})
"""Members of a sample that are text; others are bytes."""

SCANNED = 1 << 13
"""Samples looked up at a time when all are read: names and places of all would fill the memory."""

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

    @cached_property
    def columns(self) -> Columns:
        """The class of every file, where all lie in folders of their class."""
        classes = [class_of(name) for tree in self.trees for name in tree.names]
        return NO_COLUMNS if None in classes else columns_in_memory(pa.table({"label": classes}))

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on."""
        for first in range(start, len(self.ids), SCANNED):
            rows = np.arange(first, min(first + SCANNED, len(self.ids)))
            yield from self._read(rows, names)

    def places(self, rows: NDArray[np.int64]) -> list[Path]:
        """The files of some rows."""
        return [tree.root / tree.names[inside] for tree, inside in owners(self.trees, rows)]

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """Id, image and, where every file lies in a folder of its class, label."""
        classes = [class_of(name) for name in self.ids.take(rows).values.to_pylist()]
        return self._read(rows, ["id", "image", *([] if None in classes else ["label"])])

    def _read(self, rows: NDArray[np.int64], names: Sequence[str]) -> pa.RecordBatchReader:
        kinds = {"id": pa.string(), "image": IMAGE, "label": pa.string()}
        schema = image_schema({name: kinds[name] for name in names})
        ids = self.ids.take(rows).values.to_pylist()
        classes = [class_of(name) for name in ids]

        def batches() -> Iterator[pa.RecordBatch]:
            places = self.places(rows)
            sizes = [_file_size(place) for place in places] if "image" in names else [0] * len(ids)
            for part in portions(sizes):
                values: dict[str, Sequence[object]] = {"id": ids[part], "label": classes[part]}
                if "image" in names:
                    values["image"] = [
                        {"bytes": _read_file(place), "path": name}
                        for place, name in zip(places[part], ids[part], strict=True)
                    ]
                yield image_batch(values, schema)

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

    @cached_property
    def columns(self) -> Columns:
        """The `cls` member of every sample as `label`, where all have one."""
        samples = self.samples(np.arange(len(self.ids)))
        found = [_columns(members) for _, members in samples]
        if not all("label" in members for members in found):
            return NO_COLUMNS
        return Columns(("label",), lambda name: pa.chunked_array([_classes(samples, found)]))

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on; no other member is read."""
        labels = self.columns.read("label") if "label" in names else None
        for first in range(start, len(self.ids), SCANNED):
            rows = np.arange(first, min(first + SCANNED, len(self.ids)))
            samples = self.samples(rows)
            columns = [_columns(members) for _, members in samples]
            classes = labels and labels.slice(first, len(rows))
            yield from self._read(rows, samples, columns, classes, names)

    def samples(self, rows: NDArray[np.int64]) -> list[tuple[TarIndex, list[Member]]]:
        """The shard of each row, and its files in the order of the shard."""
        return [(shard, shard.members(inside)) for shard, inside in owners(self.shards, rows)]

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """Id, image, the `cls` member as label, and any other member as a column of its name."""
        samples = self.samples(rows)
        columns = [_columns(members) for _, members in samples]
        found = set(chain.from_iterable(columns))
        known = [name for name in ("image", "label") if name in found]
        names = ["id", *known, *sorted(found - set(known))]
        return self._read(rows, samples, columns, _classes(samples, columns), names)

    def _read(
        self,
        rows: NDArray[np.int64],
        samples: Sequence[tuple[TarIndex, list[Member]]],
        columns: Sequence[Mapping[str, Member]],
        classes: pa.Array | pa.ChunkedArray | None,
        names: Sequence[str],
    ) -> pa.RecordBatchReader:
        """Some columns of some rows.

        Args:
            rows: [k] row numbers.
            samples: [k] the shard and the members of each.
            columns: [k] the members by column.
            classes: [k] labels, where they are among the columns asked for.
            names: of the columns.
        """
        kinds = {"id": pa.string(), "image": IMAGE}
        if classes is not None:
            kinds["label"] = classes.type
        other = {name: pa.string() if name in TEXT else pa.binary() for name in names}
        schema = image_schema({name: kinds.get(name, other[name]) for name in names})
        ids = self.ids.take(rows).values.to_pylist()
        labels = [] if classes is None else classes.to_pylist()
        members = [name for name in names if name not in {"id", "label"}]

        def batches() -> Iterator[pa.RecordBatch]:
            sizes = [
                sum(found[name].size for name in members if name in found) for found in columns
            ]
            for part in portions(sizes):
                values: dict[str, Sequence[object]] = {"id": ids[part], "label": labels[part]}
                for name in members:
                    values[name] = [
                        _value(shard, name, found[name]) if name in found else None
                        for (shard, _), found in zip(samples[part], columns[part], strict=True)
                    ]
                yield image_batch(values, schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of all members."""
        return sum(member.size for _, members in self.samples(rows) for member in members)


def class_of(name: str) -> str | None:
    """The class of an image: the first folder of its path, where it lies in one."""
    folder, slash, _ = name.partition("/")
    return folder if slash else None


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
    """Bytes of a file.

    Raises:
        FileMissing: it is not there, or no plain file: reading a pipe would never end.
    """
    with read_errors(path):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise FileMissing(f"{path} is no file with an image, but a pipe or a device; remove it")
    return found.st_size


def _read_file(path: Path) -> bytes:
    with read_errors(path):
        return path.read_bytes()
