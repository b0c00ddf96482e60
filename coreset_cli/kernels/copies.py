"""Rows that are copies of others."""

from hashlib import blake2b

import numpy as np
from jaxtyping import Bool

from coreset_cli.kernels.points import Points

__all__ = ["first_of_copies"]

DIGEST_BYTES = 16


def first_of_copies(points: Points) -> Bool[np.ndarray, " n"]:
    """Which rows come first, by id, of all that hold the same single-precision values.

    Copies are known by a digest of 128 bits; 0 and −0 are the same value.
    """
    digests = np.empty((points.n, 2), np.uint64)
    for start, block in points.stored():
        for place, row in enumerate(block.cpu().numpy() + 0.0, start):
            found = blake2b(row, digest_size=DIGEST_BYTES).digest()
            digests[place] = np.frombuffer(found, np.uint64)
    order = np.lexsort((points.key.rank, digests[:, 1], digests[:, 0]))
    fresh = np.ones(points.n, np.bool_)
    fresh[order[1:]] = (digests[order[1:]] != digests[order[:-1]]).any(1)
    return fresh
