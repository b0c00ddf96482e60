"""The input of a run, opened as what is to be damaged: images, or vectors."""

from pathlib import Path

import pyarrow as pa

from coreset_cli.artifacts.dataset import open_dataset
from coreset_cli.artifacts.embeddings import Embeddings, open_embeddings
from coreset_cli.artifacts.linked import is_binary, is_image_struct
from coreset_cli.artifacts.named import is_named
from coreset_cli.artifacts.pictures import Pictures, open_pictures
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.commands.corrupting.request import Request
from coreset_cli.errors import InvalidParameter
from coreset_cli.io.access import is_folder
from coreset_cli.io.parquet import read_schema
from coreset_cli.io.sniff import first_bytes, kind_of_bytes
from coreset_cli.io.vectors import has_vectors

__all__ = ["opened"]

IMAGES, VECTORS = "images", "vectors"


def opened(request: Request) -> Pictures | Embeddings:
    """Open the input; no image and no vector is read yet.

    With noise in the labels alone, an input of both is taken for images where it is a file, and
    the digits, which have no file, for vectors.

    Raises:
        InvalidParameter: damage to images of vectors, or the other way round.
        CoresetError: whatever opening raises.
    """
    held = set.intersection(*(_held(path) for path in request.paths))
    wanted = IMAGES if request.images else VECTORS if request.vectors else None
    if wanted is not None and wanted not in held:
        other = VECTORS if wanted == IMAGES else IMAGES
        raise InvalidParameter(
            f"--{wanted} damages {wanted}, and {request.paths[0]} holds none; name data that "
            f"does, or use --{other}"
        )
    if wanted is None:
        is_digits = request.paths[0].startswith("digits:")
        wanted = IMAGES if IMAGES in held and not is_digits else VECTORS
    if wanted == IMAGES:
        return open_pictures(
            request.paths,
            column=request.column,
            ids=request.ids,
            label=request.label,
            root=request.root,
        )
    return open_embeddings(
        request.paths, column=request.column, ids=request.ids, label=request.label
    )


def _held(path: str) -> set[str]:
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
