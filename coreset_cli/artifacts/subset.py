"""Selected rows on disk: Parquet, `.npy`, a folder of images, a tar shard; whole or absent."""

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from coreset_cli.artifacts.arrays import ArrayData
from coreset_cli.artifacts.dataset import Dataset
from coreset_cli.artifacts.images import TarData, TreeData, class_of
from coreset_cli.artifacts.manifest import MANIFEST_KEY, Manifest
from coreset_cli.artifacts.selection import SIDECAR, sidecar_of
from coreset_cli.artifacts.sources import META_SUFFIX
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.errors import IdMismatch, InvalidParameter, SchemaMismatch
from coreset_cli.io.atomic import whole_file, write_text
from coreset_cli.io.parquet import write_batches, write_parquet
from coreset_cli.io.tar import harmless_name, split_key
from coreset_cli.io.tree import copy_file, whole_folder
from coreset_cli.io.vectors import vector_column, vectors_of

__all__ = ["METADATA", "Rows", "Subset", "companions", "form_of", "write_subset"]

METADATA = "metadata.csv"
"""Names, ranks and weights of the files of a folder, as Hugging Face's image folders have them."""

_FORMS: dict[type, tuple[str, ...]] = {
    ArrayData: ("parquet",),
    TableData: ("parquet", "npy"),
    VectorData: ("parquet", "npy"),
    TreeData: ("parquet", "folder"),
    TarData: ("parquet", "tar"),
}
_WORDS = {"parquet": ".parquet", "npy": ".npy", "tar": ".tar", "folder": "a name without a suffix"}


class Rows(Protocol):
    """What rows are read from: a data set, or one that is changed on the way."""

    @property
    def path(self) -> str:
        """As the user typed it."""

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """All columns of some rows, in the order asked for, in small batches."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Rows of a data set and what the selection says of them.

    Args:
        data: where they come from.
        rows: [k] row numbers there, in the order to be written.
        added: [k] columns that the selection adds.
        column: the column of vectors, where several could be meant.
        describe: the manifest, asked for when everything else is read or written.
    """

    data: Rows
    rows: NDArray[np.int64]
    added: pa.Table
    column: str | None
    describe: Callable[[], Manifest]

    def read(self, progress: Callable[[int, int], None]) -> pa.RecordBatchReader:
        """All columns, the added ones last.

        Raises:
            SchemaMismatch: the data has a column already that would be added.
        """
        found = self.data.read(self.rows, progress)
        both = [name for name in self.added.column_names if name in found.schema.names]
        if both:
            raise SchemaMismatch(
                f"{self.data.path} has a column '{both[0]}' already, which take adds; rename it "
                "there, or take from the data it was made of"
            )
        schema = pa.schema([*found.schema, *self.added.schema], found.schema.metadata)

        def batches() -> Iterator[pa.RecordBatch]:
            first = 0
            for batch in found:
                added = self.added.slice(first, batch.num_rows).combine_chunks().columns
                flat = [column.combine_chunks() for column in added]
                yield pa.RecordBatch.from_arrays([*batch.columns, *flat], schema=schema)
                first += batch.num_rows

        return pa.RecordBatchReader.from_batches(schema, batches())


def form_of(path: Path, data: Dataset) -> str:
    """What to write, by the suffix of the output.

    Raises:
        InvalidParameter: this data cannot be written so; the suffixes that work are named.
    """
    suffix = path.suffix.lower().removeprefix(".")
    form = suffix or "folder"
    forms = _FORMS[type(data)]
    if form not in forms:
        raise InvalidParameter(
            f"{data.path} cannot be written as {path}; name an output that is "
            + " or ".join(_WORDS[known] for known in forms)
        )
    return form


def companions(path: Path, form: str) -> tuple[Path, ...]:
    """What is written beside the output."""
    suffixes = {"parquet": (), "npy": (SIDECAR, META_SUFFIX)}.get(form, (SIDECAR,))
    return tuple(path.with_name(path.name + suffix) for suffix in suffixes)


def write_subset(
    path: Path, form: str, subset: Subset, progress: Callable[[int, int], None]
) -> None:
    """Write the rows, and last of all what makes them visible under their name.

    Args:
        path: where to.
        form: from `form_of`.
        subset: what to.
        progress: called with units done, and all of them.

    Raises:
        CoresetError: whatever a user can act on.
    """
    _WRITERS[form](path, subset, progress)


def _write_parquet(path: Path, subset: Subset, progress: Callable[[int, int], None]) -> None:
    found = subset.read(progress)
    metadata = {**(found.schema.metadata or {}), MANIFEST_KEY: subset.describe().to_json().encode()}
    reader = pa.RecordBatchReader.from_batches(
        found.schema.with_metadata(metadata), (batch for batch in found)
    )
    write_batches(path, reader, _float_lists(found.schema))


def _write_npy(path: Path, subset: Subset, progress: Callable[[int, int], None]) -> None:
    found = subset.read(progress)
    name = vector_column(found.schema, subset.column, subset.data.path)
    beside: list[pa.RecordBatch] = []
    done = width = 0
    with whole_file(path) as part:
        with part.open("wb") as file:
            for batch in found:
                values = vectors_of(batch.column(name), done, subset.data.path)
                if done == 0:
                    width = values.shape[1]
                    header = npy_format.header_data_from_array_1_0(values)
                    header["shape"] = (len(subset.rows), width)
                    npy_format.write_array_header_1_0(file, header)
                if values.shape[1] != width:
                    raise SchemaMismatch(
                        f"{subset.data.path}: column '{name}' has rows of {values.shape[1]} and of "
                        f"{width} values; take it as .parquet, or embed it again"
                    )
                file.write(np.ascontiguousarray(values).data)
                done += len(values)
                beside.append(batch.drop_columns([name]))
        metadata = path.with_name(path.name + META_SUFFIX)
        write_parquet(metadata, pa.Table.from_batches(beside).replace_schema_metadata(None))
        write_text(sidecar_of(path), subset.describe().to_json() + "\n")


def _write_folder(path: Path, subset: Subset, progress: Callable[[int, int], None]) -> None:
    data = subset.data
    assert isinstance(data, TreeData)
    names = data.ids.take(subset.rows).values.to_pylist()
    with whole_folder(path) as part:
        for place, (name, source) in enumerate(zip(names, data.places(subset.rows), strict=True)):
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_file(source, target)
            progress(place + 1, len(names))
        records = [
            {"file_name": name, "id": name, **record, "label": class_of(name)}
            for name, record in zip(names, subset.added.to_pylist(), strict=True)
        ]
        (part / METADATA).write_text(_csv(records), encoding="utf-8")
        write_text(sidecar_of(path), subset.describe().to_json() + "\n")


def _write_tar(path: Path, subset: Subset, progress: Callable[[int, int], None]) -> None:
    data = subset.data
    assert isinstance(data, TarData)
    ids = data.ids.take(subset.rows).values.to_pylist()
    records = subset.added.to_pylist()
    written: set[str] = set()

    def claim(name: str, member: str) -> str:
        safe = harmless_name(name)
        if safe in written:
            raise IdMismatch(
                f"{data.path}: {member} would be a second {safe} in {path}; write .parquet, where "
                "ids keep the shards apart"
            )
        written.add(safe)
        return safe

    with whole_file(path) as part:
        with tarfile.open(part, "w") as archive:
            for place, (shard, members) in enumerate(data.samples(subset.rows)):
                for member in members:
                    shard.copy(member, archive, claim(member.name, f"{shard.path}: {member.name}"))
                text = json.dumps({"id": ids[place], **records[place]}, ensure_ascii=False).encode()
                key = split_key(members[0].name)[0]
                entry = tarfile.TarInfo(claim(key + SIDECAR, f"the rank of {ids[place]}"))
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text))
                progress(place + 1, len(ids))
        write_text(sidecar_of(path), subset.describe().to_json() + "\n")


def _float_lists(schema: pa.Schema) -> list[str]:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    found = [field for field in schema if any(is_kind(field.type) for is_kind in lists)]
    return [field.name for field in found if pa.types.is_floating(field.type.value_type)]


def _csv(records: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


_WRITERS = {
    "parquet": _write_parquet,
    "npy": _write_npy,
    "folder": _write_folder,
    "tar": _write_tar,
}
