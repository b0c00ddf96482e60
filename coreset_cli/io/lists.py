"""Columns of lists of one length, from arrays and back."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["list_column", "listed"]


def list_column(values: NDArray[np.generic]) -> pa.FixedSizeListArray:
    """[n, m] truth values, or numbers as float32, as lists of a fixed size."""
    kind = pa.bool_() if values.dtype == np.bool_ else pa.float32()
    flat = pa.array(np.ascontiguousarray(values).ravel(), kind)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def listed(table: pa.Table, name: str, width: int, kind: pa.DataType) -> NDArray[Any]:
    """[n, width] of a column.

    Args:
        table: where it is.
        name: of the column.
        width: values a row.
        kind: of the values.

    Raises:
        ValueError: no such column, or other values in it.
    """
    if name not in table.column_names:
        raise ValueError(f"column '{name}' is missing")
    column = table[name]
    lists = pa.types.is_fixed_size_list(column.type) and column.type.list_size == width
    if not lists or column.type.value_type != kind or column.null_count:
        raise ValueError(f"column '{name}' holds {column.type}, not {width} {kind} a row")
    flat = pa.chunked_array([chunk.flatten() for chunk in column.chunks], kind)
    if flat.null_count:
        raise ValueError(f"column '{name}' holds nulls")
    return flat.to_numpy().reshape(len(table), width)
