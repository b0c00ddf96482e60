"""Samples wherever they live: Parquet files, vectors, a folder of images, tar shards, arrays.

Each kind tells its ids first and reads any of its rows later, in any order, a few megabytes at a
time.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.arrays import join_rasters, open_idx_pair
from coreset_cli.artifacts.columns import Columns, columns_on_disk, find_ids
from coreset_cli.artifacts.embeddings import name_of
from coreset_cli.artifacts.ids import Ids, make_ids
from coreset_cli.artifacts.images import TarData, TreeData
from coreset_cli.artifacts.named import default_root, is_named, open_named
from coreset_cli.artifacts.shards import order_warning, shards_of
from coreset_cli.artifacts.sources import open_sources
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.errors import FileMissing, IdMismatch, InvalidParameter
from coreset_cli.io.access import is_folder, read_errors
from coreset_cli.io.gather import common_schema, extent
from coreset_cli.io.idx import starts_like_idx
from coreset_cli.io.sniff import file_kind, first_bytes, kind_of_bytes
from coreset_cli.io.tar import index_tar
from coreset_cli.io.tree import list_images
from coreset_cli.io.vectors import vector_column

__all__ = ["IDX_NAME", "Dataset", "open_dataset"]

IDX_NAME = re.compile(r"idx[1-4]-u?byte(\.gz)?$")
"""How files of the MNIST family are named."""

_ARRAYS = frozenset({"an IDX file", "a data set by name"})
"""Kinds whose ids are row numbers, and whose one column is the label."""


class Dataset(Protocol):
    """Samples with distinct ids; row i of everything is the same sample."""

    @property
    def path(self) -> str:
        """As the user typed it."""

    @property
    def files(self) -> tuple[str, ...]:
        """What it stands for, in the order read."""

    @property
    def ids(self) -> Ids:
        """One name a row."""

    @property
    def columns(self) -> Columns:
        """Scalar columns, where there are any."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of how it was read."""

    def scan(self, names: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from one on, in order, in small batches."""

    def read(
        self, rows: NDArray[np.int64], progress: Callable[[int, int], None]
    ) -> pa.RecordBatchReader:
        """All columns of some rows, in the order asked for, in small batches.

        Args:
            rows: [k] distinct row numbers.
            progress: called while rows are looked for, where that means reading them all.
        """

    def size(self, rows: NDArray[np.int64]) -> int:
        """Bytes of some rows, without reading them; an estimate where sizes are not known."""


def open_dataset(
    paths: Sequence[str],
    *,
    column: str | None = None,
    ids: str | None = None,
    root: Path | None = None,
) -> Dataset:
    """Open samples of any kind; several paths are one input.

    Args:
        paths: Parquet or vector files, folders of them, folders of images, `.tar` shards, IDX
            files of images, or names as `digits:train` (as vectors) and `mnist:train`.
        column: the column of vectors, or the array of an `.npz`.
        ids: the column of ids.
        root: where data sets known by name lie; none for `default_root`.

    Raises:
        FileMissing: an input is not there, or an empty folder.
        ArtifactError: an input is not what it should be.
        InvalidParameter: inputs of several kinds, or a column that does not exist.
        DataUnavailable: a data set known by name is not there and cannot be fetched.
    """
    kinds = {path: _kind(path) for path in paths}
    kind = kinds[paths[0]]
    for path, other in kinds.items():
        if other != kind:
            raise InvalidParameter(
                f"{paths[0]} is {kind}, {path} is {other}; take from one kind at a time"
            )
    if kind == "vectors":
        return _open_vectors(paths, column, ids)
    if kind == "a table":
        return _open_tables(paths, column, ids)
    if ids is not None or column is not None:
        raise InvalidParameter(
            f"{paths[0]} is {kind} and has no columns; leave --id and --column out, ids are "
            + ("row numbers" if kind in _ARRAYS else "the names of the files")
        )
    if kind == "an IDX file":
        return join_rasters(name_of(paths), [open_idx_pair(Path(path)) for path in paths])
    if kind == "a data set by name":
        found = [open_named(path, root or default_root()) for path in paths]
        return join_rasters(name_of(paths), found)
    return _open_tars(paths) if kind == "tar shards" else _open_trees(paths)


def _kind(path: str) -> str:
    if path == "-" or path.startswith("digits:"):
        return "vectors"
    if is_named(path):
        return "a data set by name"
    place = Path(path)
    if not is_folder(place):
        if place.suffix.lower() == ".tar":
            return "tar shards"
        start = first_bytes(place)
        if IDX_NAME.search(path) or (kind_of_bytes(start) is None and starts_like_idx(start)):
            return "an IDX file"
        return "a table" if file_kind(place) == "parquet" else "vectors"
    with read_errors(place):
        if _tars(place):
            return "tar shards"
        # Images are looked for before Parquet files in folders of the folder, which may be many.
        flat = any(
            entry.suffix in {".npy", ".npz", ".safetensors", ".parquet"}
            for entry in place.iterdir()
        )
        if not flat and not (place / "img_emb").is_dir() and list_images(place).names:
            return "a folder of images"
        if idx := sorted(entry.name for entry in place.iterdir() if IDX_NAME.search(entry.name)):
            raise FileMissing(
                f"{place} is a folder of IDX files ({', '.join(idx)}); name the one with the "
                "images to read, its labels are found beside it"
            )
    try:
        first = shards_of(place).files[0]
    except FileMissing as error:
        raise FileMissing(
            f"{place} holds no images, no .tar, .parquet or .npy files; name the folder that does"
        ) from error
    return "a table" if first.suffix == ".parquet" else "vectors"


def _open_vectors(paths: Sequence[str], column: str | None, ids: str | None) -> VectorData:
    source = open_sources(paths, column)
    if source.misaligned:
        raise IdMismatch(source.misaligned[0])
    return VectorData(
        path=name_of(paths),
        files=source.files,
        ids=find_ids(source.columns, source.matrix.n, ids, name_of(paths)),
        matrix=source.matrix,
        columns=source.columns,
        warnings=source.warnings,
    )


def _open_tables(paths: Sequence[str], column: str | None, ids: str | None) -> TableData:
    files: list[Path] = []
    warnings: list[str] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        shards = shards_of(path)
        files += shards.files
        warnings += shards.warnings
    schema = common_schema(files)
    if column is not None:
        vector_column(schema, column, name_of(paths))
    rows, _ = extent(files)
    columns = columns_on_disk(files)
    return TableData(
        path=name_of(paths),
        files=tuple(map(str, files)),
        ids=find_ids(columns, rows, ids, name_of(paths)),
        columns=columns,
        schema=schema,
        warnings=tuple(warnings),
    )


def _open_trees(paths: Sequence[str]) -> TreeData:
    trees = tuple(list_images(Path(path)) for path in paths)
    names = [name for tree in trees for name in tree.names]
    others = [f"{tree.root}/{name}" for tree in trees for name in tree.passed_over]
    warnings = (
        [f"{len(others)} files are no images and stay behind ({others[0]})"] if others else []
    )
    return TreeData(
        path=name_of(paths),
        files=tuple(paths),
        ids=make_ids(pa.array(names, pa.large_string()), name_of(paths)),
        trees=trees,
        warnings=tuple(warnings),
    )


def _open_tars(paths: Sequence[str]) -> TarData:
    files: list[Path] = []
    for path in map(Path, paths):
        files += _tars(path) if path.is_dir() else [path]
    shards = tuple(index_tar(file) for file in files)
    nothing = pa.scalar("", pa.large_string())
    names = [pa.scalar(f"{file.name.removesuffix('.tar')}/", pa.large_string()) for file in files]
    ids = [
        pc.binary_join_element_wise(name, shard.keys, nothing)
        for name, shard in zip(names, shards, strict=True)
    ]
    skipped = sum(shard.skipped for shard in shards)
    stay = f"{skipped} entries belong to no sample and stay behind (links, folders, names without "
    return TarData(
        path=name_of(paths),
        files=tuple(map(str, files)),
        ids=make_ids(pa.chunked_array(ids, pa.large_string()), name_of(paths)),
        shards=shards,
        warnings=(*order_warning(files), *([stay + "key or extension)"] if skipped else [])),
    )


def _tars(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))
