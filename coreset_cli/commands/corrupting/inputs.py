"""The input of a run, opened as what is to be damaged: images, or vectors."""

from coreset_cli.artifacts.embeddings import Embeddings, open_embeddings
from coreset_cli.artifacts.holdings import IMAGES, VECTORS, held
from coreset_cli.artifacts.pictures import Pictures, open_pictures
from coreset_cli.commands.corrupting.request import Request
from coreset_cli.errors import InvalidParameter

__all__ = ["opened"]


def opened(request: Request) -> Pictures | Embeddings:
    """Open the input; no image and no vector is read yet.

    With noise in the labels alone, an input of both is taken for images where it is a file, and
    the digits, which have no file, for vectors.

    Raises:
        InvalidParameter: damage to images of vectors, or the other way round.
        CoresetError: whatever opening raises.
    """
    there = set.intersection(*(held(path) for path in request.paths))
    wanted = IMAGES if request.images else VECTORS if request.vectors else None
    if wanted is not None and wanted not in there:
        other = VECTORS if wanted == IMAGES else IMAGES
        raise InvalidParameter(
            f"--{wanted} damages {wanted}, and {request.paths[0]} holds none; name data that "
            f"does, or use --{other}"
        )
    if wanted is None:
        is_digits = request.paths[0].startswith("digits:")
        wanted = IMAGES if IMAGES in there and not is_digits else VECTORS
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
