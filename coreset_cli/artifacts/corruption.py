"""What `corrupt` did to each row: the columns `corruption` and `clean_label`.

Only `evaluate` reads them. A row damaged twice, in one run or in two, has both names, joined with
`+`, the earlier first; the label kept is the one before the first run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.errors import SchemaMismatch

__all__ = ["CLEAN_LABEL", "CORRUPTION", "Mark", "first_labels", "joined_names", "names_column"]

CORRUPTION = "corruption"
"""Column of what was done to a row: names joined with `+`, or null."""

CLEAN_LABEL = "clean_label"
"""Column of the label of a row before any noise."""


@dataclass(frozen=True)
class Mark:
    """Rows that one kind of corruption hit.

    Args:
        kind: its name.
        rows: [m] row numbers.
    """

    kind: str
    rows: NDArray[np.int64]


def names_column(values: pa.ChunkedArray, path: str) -> pa.ChunkedArray:
    """The column `corruption` as texts and nulls.

    Args:
        values: as stored.
        path: the file, for the message.

    Raises:
        SchemaMismatch: other than texts.
    """
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (is_text or pa.types.is_string_view(kind) or pa.types.is_null(kind)):
        raise SchemaMismatch(
            f"{path}: column '{CORRUPTION}' holds {values.type}; names or nulls are expected"
        )
    return values.cast(pa.large_string())


def joined_names(before: pa.ChunkedArray | None, n: int, marks: Sequence[Mark]) -> pa.Array:
    """The column `corruption` after a run.

    Args:
        before: [n] the column before it, where there was one, from `names_column`.
        n: rows.
        marks: what the run did, in order.
    """
    bits = np.zeros(n, np.int64)
    for place, mark in enumerate(marks):
        bits[mark.rows] |= 1 << place
    earlier, codes = [""], np.zeros(n, np.int64)
    if before is not None:
        earlier += pc.unique(before.drop_null()).to_pylist()
        found = pc.index_in(before, value_set=pa.array(earlier, pa.large_string()))
        codes = pc.fill_null(found, 0).to_numpy().astype(np.int64)
    # One text for each combination that occurs, not one a row.
    distinct, owner = np.unique(codes << len(marks) | bits, return_inverse=True)
    texts = [
        "+".join(
            filter(
                None,
                [
                    earlier[value >> len(marks)],
                    *(mark.kind for place, mark in enumerate(marks) if value >> place & 1),
                ],
            )
        )
        for value in distinct.tolist()
    ]
    return pa.array([text or None for text in texts], pa.string()).take(pa.array(owner))


def first_labels(
    before: pa.ChunkedArray | None, labels: pa.Array, changed: NDArray[np.int64], path: str
) -> pa.Array:
    """The column `clean_label` after label noise.

    Args:
        before: [n] the column before it, where there was one: it stays, and its nulls, which say
            that nothing is known, are filled where this run changes the label.
        labels: [n] labels before this run.
        changed: [m] rows whose label it changes.
        path: the file, for the message.

    Raises:
        SchemaMismatch: the labels do not go into the column that is there.
    """
    if before is None:
        return labels
    is_changed = np.zeros(len(labels), bool)
    is_changed[changed] = True
    earlier = before.combine_chunks()
    missing = pc.and_(earlier.is_null(), pa.array(is_changed))
    try:
        return pc.if_else(missing, labels.cast(earlier.type), earlier)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"{path}: column '{CLEAN_LABEL}' holds {earlier.type}, the labels are {labels.type}; "
            "write both with one type"
        ) from error
