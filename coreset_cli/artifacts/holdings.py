"""What an input holds, images or vectors, before it is opened."""

from pathlib import Path

import pyarrow as pa

from coreset_cli.artifacts.dataset import open_dataset
from coreset_cli.artifacts.linked import is_binary, is_image_struct
from coreset_cli.artifacts.named import is_named
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.io.access import is_folder
from coreset_cli.io.parquet import read_schema
from coreset_cli.io.sniff import first_bytes, kind_of_bytes
from coreset_cli.io.vectors import has_vectors

__all__ = ["IMAGES", "VECTORS", "held"]

IMAGES, VECTORS = "images", "vectors"


def held(path: str) -> set[str]:
    """What an input holds.

    Raises:
        FileMissing: no such file.
    """
    place = Path(path)
    if path == "-":
        return {VECTORS}
    if path.startswith("digits:"):
        return {IMAGES, VECTORS}
    if is_named(path):
        return {IMAGES}
    if is_folder(place):
        data = open_dataset([path])
        if isinstance(data, TableData):
            return _columns(data.schema)
        return {VECTORS} if isinstance(data, VectorData) else {IMAGES}
    kind = kind_of_bytes(first_bytes(place))
    if kind == "parquet" or place.suffix.lower() == ".parquet":
        return _columns(read_schema(place))
    return {IMAGES} if kind is None else {VECTORS}


def _columns(schema: pa.Schema) -> set[str]:
    """Images are structs with bytes; plain binaries beside vectors may be anything."""
    if any(map(is_image_struct, schema.types)):
        return {IMAGES, VECTORS} if has_vectors(schema) else {IMAGES}
    if has_vectors(schema):
        return {VECTORS}
    return {IMAGES} if any(map(is_binary, schema.types)) else set()
