"""Vectors in a `.safetensors` file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, InvalidParameter, SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, spool

__all__ = ["open_safetensors"]

_READ = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
"""Bytes of a value of each type that NumPy has; bfloat16 and float8 it lacks."""


def open_safetensors(path: Path, column: str | None) -> Matrix:
    """Copy one tensor to a temporary file and map that.

    Args:
        path: the file.
        column: name of the tensor; not needed where only one is two-dimensional.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        InvalidParameter: no tensor of that name, or several and none named.
        SchemaMismatch: the tensor is not two-dimensional, or of a type NumPy lacks.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with read_errors(path), safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            name = _choose(path, shapes, column)
            tensor = file.get_slice(name)
            n, d = shapes[name]
            if tensor.get_dtype() not in _READ:
                raise SchemaMismatch(
                    f"{path}: tensor '{name}' is {tensor.get_dtype()}; "
                    "save it as float16 or float32"
                )
            step = max(1, BLOCK_BYTES // max(1, _READ[tensor.get_dtype()] * d))

            def blocks() -> Iterator[NDArray[np.generic]]:
                for start in range(0, n, step):
                    yield tensor[start : min(start + step, n)]

            return spool(f"{path}:{name}", blocks())
    except SafetensorError as error:
        raise ArtifactIncomplete(
            f"{path} is truncated or damaged ({error}); write it again"
        ) from error


def _choose(path: Path, shapes: dict[str, tuple[int, ...]], column: str | None) -> str:
    vectors = [name for name, shape in shapes.items() if len(shape) == 2]
    listed = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items()) or "no tensors"
    if column is not None and column not in shapes:
        raise InvalidParameter(f"{path} has no tensor '{column}'; it has {listed}")
    if column is not None and column not in vectors:
        raise SchemaMismatch(f"{path}: '{column}' has shape {list(shapes[column])}, not [n, d]")
    if column is not None:
        return column
    if not vectors:
        raise SchemaMismatch(f"{path} has no two-dimensional tensor, one vector a row: {listed}")
    if len(vectors) > 1:
        raise InvalidParameter(
            f"{path} has {len(vectors)} two-dimensional tensors among {listed}; "
            "name one with --column"
        )
    return vectors[0]
