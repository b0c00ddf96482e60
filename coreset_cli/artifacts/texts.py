"""Samples that are texts, with their ids, labels and scalar columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from coreset_cli.artifacts.columns import NO_COLUMNS, Columns, find_labels
from coreset_cli.artifacts.dataset import Dataset, open_dataset
from coreset_cli.artifacts.embeddings import name_of
from coreset_cli.artifacts.ids import Ids, row_numbers
from coreset_cli.artifacts.images import TarData
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.tables import TableData
from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.gather import common_schema

__all__ = ["Texts", "open_texts"]

COLUMNS = ("text", "caption", "txt")
"""Columns taken for texts where `--column` names none, in this order."""

LINES = 1 << 12
"""Texts handed over at a time."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """An input of texts; row i of everything is the same sample.

    Args:
        path: as the user typed it.
        files: what it stands for, in the order read.
        ids: one name a row.
        columns: scalar columns.
        labels: one class a row, where the input has labels.
        source: where the texts lie.
        warnings: what the user should know of how it was read.
    """

    path: str
    files: tuple[str, ...]
    ids: Ids
    columns: Columns
    labels: Labels | None
    source: "_Column | _Lines"
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.ids)

    def batches(self, start: int = 0) -> Iterator[tuple[int, list[str | None]]]:
        """All texts from a row on: the first row, and some; a text that is not there is none."""
        for texts in self.source.read(start):
            yield start, texts
            start += len(texts)


@dataclass(frozen=True)
class _Column:
    """Texts in a column of a data set."""

    data: Dataset
    name: str

    def read(self, start: int) -> Iterator[list[str | None]]:
        for batch in self.data.scan([self.name], start):
            yield batch.column(0).to_pylist()


@dataclass(frozen=True)
class _Lines:
    """Texts in files, one a line."""

    files: tuple[Path, ...]

    def read(self, start: int) -> Iterator[list[str | None]]:
        some: list[str | None] = []
        for line in self.lines():
            if start > 0:
                start -= 1
                continue
            some.append(line)
            if len(some) == LINES:
                yield some
                some = []
        if some:
            yield some

    def lines(self) -> Iterator[str]:
        """All lines, without their ends.

        Raises:
            SchemaMismatch: not UTF-8.
        """
        for path in self.files:
            try:
                with read_errors(path), path.open(encoding="utf-8-sig", newline="\n") as file:
                    for line in file:
                        yield line.removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                raise SchemaMismatch(f"{path} is not UTF-8 text; save it as UTF-8") from error


def open_texts(
    paths: Sequence[str],
    *,
    column: str | None = None,
    ids: str | None = None,
    label: str | None = None,
) -> Texts:
    """Open texts: a column of Parquet files, members of tar shards, or `.txt` files, one a line.

    Args:
        paths: several are one input.
        column: of texts.
        ids: the column of ids.
        label: the column of labels, or a file with one label a row.

    Raises:
        CoresetError: whatever opening raises.
    """
    name = name_of(paths)
    places = tuple(map(Path, paths))
    if all(place.suffix.lower() == ".txt" for place in places):
        if column is not None or ids is not None:
            raise InvalidParameter(f"{name} has no columns; leave --column and --id out")
        lines = _Lines(places)
        n = sum(1 for _ in lines.lines())
        return Texts(
            path=name,
            files=tuple(paths),
            ids=row_numbers(n),
            columns=NO_COLUMNS,
            labels=find_labels(NO_COLUMNS, n, label, name),
            source=lines,
        )
    data = open_dataset(paths, ids=ids)
    return Texts(
        path=data.path,
        files=data.files,
        ids=data.ids,
        columns=data.columns,
        labels=find_labels(data.columns, len(data.ids), label, data.path),
        source=_Column(data, _text_column(data, column)),
        warnings=data.warnings,
    )


def _text_column(data: Dataset, named: str | None) -> str:
    """The column of texts: the one named, else the first of `COLUMNS`.

    Raises:
        InvalidParameter: no such column.
        SchemaMismatch: it holds no texts.
    """
    if isinstance(data, TarData):
        return named or "txt"
    names = data.columns.names
    found = named or next((name for name in COLUMNS if name in names), None)
    if found is None or found not in names:
        raise InvalidParameter(
            f"{data.path} has no column '{named or COLUMNS[0]}' of texts; it has "
            f"{', '.join(names) or 'no scalar columns'}: name one with --column"
        )
    kind = _kind_of(data, found)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise SchemaMismatch(f"{data.path}: column '{found}' holds {kind}, not texts")
    return found


def _kind_of(data: Dataset, name: str) -> pa.DataType:
    if isinstance(data, TableData):
        kind = common_schema([Path(file) for file in data.files]).field(name).type
    else:
        kind = data.columns.read(name).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind
