"""Vectors in a `.safetensors` file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, InvalidParameter, SchemaMismatch
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, spool

__all__ = ["open_safetensors"]


def open_safetensors(path: Path, column: str | None) -> Matrix:
    """Copy one tensor to a temporary file and map that.

    Args:
        path: the file.
        column: name of the tensor; not needed where only one is two-dimensional.

    Raises:
        ArtifactIncomplete: truncated or damaged.
        InvalidParameter: no tensor of that name, or several and none named.
        SchemaMismatch: the tensor is not two-dimensional, or of a type NumPy lacks.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            shapes = {name: file.get_slice(name).get_shape() for name in names}
            vectors = [name for name in names if len(shapes[name]) == 2]
            if column is not None and column not in names:
                raise InvalidParameter(f"{path} has no tensor '{column}'; it has {names}")
            if column is None and len(vectors) != 1:
                raise InvalidParameter(
                    f"{path} has {len(vectors)} two-dimensional tensors among {names}; "
                    "name one with --column"
                )
            name = column if column is not None else vectors[0]
            if name not in vectors:
                raise SchemaMismatch(
                    f"{path}: tensor '{name}' has shape {shapes[name]}, not [n, d]"
                )
            rows = file.get_slice(name)
            n, d = shapes[name]
            step = max(1, BLOCK_BYTES // max(1, 4 * d))

            def blocks() -> Iterator[NDArray[np.generic]]:
                for start in range(0, n, step):
                    yield rows[start : start + step]

            return spool(f"{path}:{name}", blocks())
    except SafetensorError as error:
        raise ArtifactIncomplete(f"{path} is truncated or damaged ({error})") from error
    except TypeError as error:
        raise SchemaMismatch(f"{path}: {error}; save it as float16 or float32") from error
