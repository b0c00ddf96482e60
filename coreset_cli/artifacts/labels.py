"""Class labels, from a column or a file of their own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.digest import lines_digest
from coreset_cli.io.npy import read_flat_npy
from coreset_cli.io.parquet import read_column, read_schema, scalar_names, whole_column
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["Labels", "make_labels", "read_label_file"]


@dataclass(frozen=True)
class Labels:
    """One class a row.

    Args:
        codes: [n] class of each row, 0 … c−1.
        names: [c] the label of each class as text: integers in order of value, texts in order of
            their UTF-8 bytes.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def are_integers(self) -> bool:
        """Whether every label is a whole number as it is written, so that it may be one again."""
        return all(
            name.removeprefix("-").isdecimal() and str(int(name)) == name for name in self.names
        )

    def take(self, rows: NDArray[np.int64]) -> "Labels":
        """Labels of some rows, under the same classes."""
        return Labels(self.codes[rows], self.names)

    def counts(self) -> NDArray[np.int64]:
        """[c] rows of each class."""
        return np.bincount(self.codes, minlength=len(self.names))

    def texts(self) -> NDArray[np.str_]:
        """[n] the label of each row as text."""
        return np.asarray(self.names)[self.codes]

    def digest(self) -> str:
        """SHA-256 of the labels as text, one a line."""
        return lines_digest(map(self.names.__getitem__, self.codes.tolist()))


def make_labels(column: pa.ChunkedArray | pa.Array, name: str) -> Labels:
    """Labels from integers, whole numbers, booleans or texts.

    Args:
        column: one label a row.
        name: file and column, for messages.

    Raises:
        SchemaMismatch: a null, a fraction, or another type.
    """
    values = whole_column(column, name)
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise SchemaMismatch(f"{name}: row {row} has no label (null); drop the row or label it")
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_floating(values.type):
        values = _whole_numbers(values, name)
    if not (pa.types.is_integer(values.type) or pa.types.is_large_string(values.type)):
        raise SchemaMismatch(f"{name} holds {values.type}; labels are integers or texts")
    classes = pc.unique(values)
    classes = classes.take(pc.sort_indices(classes))
    codes = pc.index_in(values, value_set=classes).to_numpy().astype(np.int64)
    return Labels(codes, tuple(map(str, classes.to_pylist())))


def read_label_file(path: Path, column: str | None = None) -> pa.ChunkedArray | pa.Array:
    """One label a row from `.npy`, a Parquet file with one scalar column or `label`, or text lines.

    Args:
        path: the file.
        column: of a Parquet file with several; none for its only one, or `label`.

    Raises:
        FileMissing: it cannot be read.
        InvalidParameter: it has no such column.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: not labels.
    """
    kind = kind_of_bytes(first_bytes(path))
    if column is not None:
        return _named_column(path, column, is_table=kind == "parquet")
    if kind == "npy" or path.suffix.lower() == ".npy":
        values = read_flat_npy(path)
        if values.dtype.kind not in "iubfU":
            raise SchemaMismatch(f"{path} holds {values.dtype}; labels are integers or texts")
        return pa.array(values.astype(np.float64) if values.dtype.kind == "f" else values)
    if kind == "parquet" or path.suffix.lower() == ".parquet":
        names = scalar_names(read_schema(path))
        column = "label" if "label" in names else names[0] if len(names) == 1 else None
        if column is None:
            raise SchemaMismatch(
                f"{path} has no column 'label' among {', '.join(names)}; name one, as in "
                f"{path}:{names[0] if names else 'label'}"
            )
        return read_column([path], column)
    try:
        with read_errors(path):
            text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SchemaMismatch(f"{path} is not text: labels come one a line, or as .npy") from error
    return _of_lines(text.removesuffix("\n").split("\n"), path)


def _named_column(path: Path, column: str, *, is_table: bool) -> pa.ChunkedArray:
    names = scalar_names(read_schema(path)) if is_table else []
    if column not in names:
        has = f"it has {', '.join(names)}" if names else "it has no columns"
        raise InvalidParameter(f"{path} has no column '{column}' for labels; {has}")
    return read_column([path], column)


def _of_lines(lines: list[str], path: Path) -> pa.Array:
    """Integers where every line is one, else texts."""
    if "" in lines:
        raise SchemaMismatch(
            f"{path}: row {lines.index('')} has no label (an empty line); drop the row or label it"
        )
    try:
        return pa.array([int(line) for line in lines], pa.int64())
    except (ValueError, OverflowError):
        return pa.array(lines, pa.large_string())


def _whole_numbers(values: pa.Array, name: str) -> pa.Array:
    numbers = values.to_numpy(zero_copy_only=False)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    wrong = ~whole | (np.abs(numbers) >= 2.0**63)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise SchemaMismatch(
            f"{name}: row {row} has label {numbers[row]}; labels are whole numbers or texts"
        )
    return pa.array(numbers.astype(np.int64))
