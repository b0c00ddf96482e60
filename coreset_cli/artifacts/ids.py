"""The names of the rows: row numbers, integers or texts, always distinct."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.errors import IdMismatch, SchemaMismatch
from coreset_cli.io.digest import hash_integers, hash_strings, lines_digest
from coreset_cli.io.parquet import whole_column
from coreset_cli.seeds import Key

__all__ = ["Ids", "make_ids", "row_numbers"]


@dataclass(frozen=True)
class Ids:
    """One distinct name a row.

    Args:
        values: [n] integers or texts.
        is_row_number: the file had no ids, so the row numbers stand in for them.
    """

    values: pa.Array
    is_row_number: bool = False

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def kind(self) -> str:
        """What the names are, in words."""
        if self.is_row_number:
            return "row number"
        return "integer" if pa.types.is_integer(self.values.type) else "text"

    def key(self) -> Key:
        """Rank and hash of each id: all that a method may know of it."""
        if pa.types.is_integer(self.values.type):
            numbers = self.values.to_numpy()
            if (numbers[1:] > numbers[:-1]).all():  # as row numbers are: nothing to sort
                return Key(np.arange(len(self), dtype=np.int64), hash_integers(numbers))
        order = pc.sort_indices(self.values).to_numpy().astype(np.int64)
        rank = np.empty(len(self), np.int64)
        rank[order] = np.arange(len(self))
        if pa.types.is_integer(self.values.type):
            return Key(rank, hash_integers(self.values.to_numpy()))
        return Key(rank, hash_strings(self.values))

    def take(self, rows: NDArray[np.int64]) -> "Ids":
        """Ids of some rows; they stay row numbers of the whole file."""
        return Ids(self.values.take(pa.array(rows)), self.is_row_number)

    def texts(self) -> Iterator[str]:
        """Each id as text."""
        for start in range(0, len(self), 1 << 16):
            yield from map(str, self.values.slice(start, 1 << 16).to_pylist())

    def digest(self) -> str:
        """SHA-256 of the ids as UTF-8, one a line, in order."""
        return lines_digest(self.texts())

    def rows_of(self, wanted: "Ids", source: str, target: str) -> NDArray[np.int64]:
        """Row of each wanted id among these.

        Args:
            wanted: ids to look up.
            source: the file they come from, for the message.
            target: the file these ids come from, for the message.

        Raises:
            IdMismatch: an id is not here, or the ids are of another type.
        """
        if wanted.values.type != self.values.type:
            raise IdMismatch(
                f"{source} has {wanted.kind} ids, {target} has {self.kind} ids; "
                "use the data the selection was made from, or name the ids with --id"
            )
        rows = pc.index_in(wanted.values, value_set=self.values)
        if rows.null_count:
            row = int(np.flatnonzero(rows.is_null().to_numpy(zero_copy_only=False))[0])
            raise IdMismatch(
                f"{source}: id {wanted.values[row].as_py()!r} (row {row}) is not in {target}; "
                f"{rows.null_count} of {len(wanted)} ids are missing there"
            )
        return rows.to_numpy().astype(np.int64)


def row_numbers(n: int) -> Ids:
    """Ids of a file that has none."""
    return Ids(pa.array(np.arange(n, dtype=np.int64)), is_row_number=True)


def make_ids(column: pa.ChunkedArray | pa.Array, name: str) -> Ids:
    """Ids from a column of integers or texts.

    Args:
        column: one id a row.
        name: file and column, for messages.

    Raises:
        SchemaMismatch: another type, a null, or a line break in a text.
        IdMismatch: an id occurs twice.
    """
    values = whole_column(column, name)
    if pa.types.is_integer(values.type):
        try:
            values = values.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(f"{name}: ids beyond 64 bits; store them as text") from error
    elif pa.types.is_large_string(values.type):
        _refuse_line_breaks(values, name)
    else:
        raise SchemaMismatch(
            f"{name} holds {values.type}; ids are integers or texts, name a column with --id"
        )
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise SchemaMismatch(f"{name}: row {row} has no id (null); give every row one")
    _refuse_repeats(values, name)
    return Ids(values)


def _refuse_line_breaks(values: pa.LargeStringArray, name: str) -> None:
    broken = pc.match_substring(values, "\n")
    if pc.any(broken).as_py():
        row = pc.index(broken, True).as_py()
        raise SchemaMismatch(
            f"{name}: the id of row {row} holds a line break; ids are written one a line, rename it"
        )


def _refuse_repeats(values: pa.Array, name: str) -> None:
    if len(values) < 2:
        return
    order = pc.sort_indices(values)
    ordered = values.take(order)
    same = pc.equal(ordered.slice(1), ordered.slice(0, len(values) - 1))
    if pc.any(same).as_py():
        place = pc.index(same, True).as_py()
        rows = sorted(order[i].as_py() for i in (place, place + 1))
        raise IdMismatch(
            f"{name}: rows {rows[0]} and {rows[1]} have the same id "
            f"{ordered[place].as_py()!r}; ids must be distinct: "
            "rename or drop one, or name another column with --id"
        )
