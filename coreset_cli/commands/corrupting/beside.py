"""The columns beside images and vectors: labels with noise, and what was done to each row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.columns import ID_COLUMNS, LABEL_COLUMN
from coreset_cli.artifacts.corruption import (
    CLEAN_LABEL,
    CORRUPTION,
    Mark,
    first_labels,
    joined_names,
    names_column,
)
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.samples import Samples, require_labels
from coreset_cli.errors import InvalidParameter

__all__ = ["Noise", "has_id_column", "label_column", "replaced"]


@dataclass(frozen=True)
class Noise:
    """Labels after noise.

    Args:
        codes: [n] class of each row.
        marks: rows that each kind drew.
    """

    codes: NDArray[np.int64]
    marks: tuple[Mark, ...]


def has_id_column(samples: Samples, named: str | None) -> bool:
    """Whether the ids are a column of the input: else they are names of files, or row numbers."""
    return named is not None or any(name in samples.columns.names for name in ID_COLUMNS)


def label_column(named: str | None, samples: Samples) -> str:
    """The column of labels in the output: those of a file get the usual name."""
    return named if named is not None and named in samples.columns.names else LABEL_COLUMN


def replaced(
    samples: Samples, marks: Sequence[Mark], *, label: str | None, noise: Noise | None
) -> dict[str, pa.Array]:
    """Whole columns that replace those of the same name, or come behind all others.

    Args:
        samples: the input.
        marks: what was done to which rows.
        label: column or file of labels that the user named.
        noise: labels after noise, where there is any.

    Raises:
        SchemaMismatch: a column `corruption` or `clean_label` of another type.
        InvalidParameter: labels of a file would replace a column that is not theirs.
    """
    columns: dict[str, pa.Array] = {}
    known = samples.columns.names
    name = label_column(label, samples)
    if label is not None and label not in known:
        if LABEL_COLUMN in known:
            raise InvalidParameter(
                f"the labels of {label} would be written as the column '{LABEL_COLUMN}', which "
                f"{samples.path} has already; rename it there"
            )
        columns[LABEL_COLUMN] = _column_of(require_labels(samples))
    names = None
    if CORRUPTION in known:
        names = names_column(samples.columns.read(CORRUPTION), samples.path)
    truth = {CORRUPTION: joined_names(names, len(samples.ids), marks)}
    if noise is not None:
        column = columns[name] if name in columns else samples.columns.read(name).combine_chunks()
        before = require_labels(samples).codes
        columns[name] = _recoded(column, before, noise.codes)
        earlier = samples.columns.read(CLEAN_LABEL) if CLEAN_LABEL in known else None
        changed = np.flatnonzero(before != noise.codes)
        truth[CLEAN_LABEL] = first_labels(earlier, _plain(column), changed, samples.path)
    return columns | truth


def _recoded(column: pa.Array, before: NDArray[np.int64], after: NDArray[np.int64]) -> pa.Array:
    """The labels of other classes, as the column writes them."""
    first = np.unique(before, return_index=True)[1]
    return column.take(pa.array(first)).take(pa.array(after))


def _column_of(labels: Labels) -> pa.Array:
    """Labels of a file as a column: numbers where all are written as such."""
    numbers = [int(name) for name in labels.names if re.fullmatch(r"-?\d{1,18}", name)]
    if tuple(map(str, numbers)) == labels.names:
        return pa.array(np.array(numbers, np.int64)[labels.codes])
    return pa.array(labels.names).take(pa.array(labels.codes))


def _plain(column: pa.Array) -> pa.Array:
    """Without a dictionary, which cannot be merged value by value."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
