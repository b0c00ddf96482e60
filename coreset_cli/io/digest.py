"""Digests of what a file says, and hashes of the ids of its rows.

A content digest is over values, ids and labels, so the same numbers stored as `.npy` and as
Parquet have the same one.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.seeds import mix64

__all__ = ["hash_integers", "hash_rows", "hash_strings", "lines_digest"]

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)

_LINES = 1 << 14
"""Lines joined before they are hashed: a call a line would be slow."""


def lines_digest(lines: Iterable[str]) -> str:
    r"""SHA-256 of texts as UTF-8, one a line, each ended by `\n`: what `sha256sum` prints."""
    digest = sha256()
    rest = iter(lines)
    while some := list(islice(rest, _LINES)):
        digest.update("\n".join(some).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def hash_integers(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64-bit hash of each integer."""
    return mix64(values.view(np.uint64))


def hash_strings(values: pa.LargeStringArray) -> NDArray[np.uint64]:
    """64-bit hash of each text: FNV-1a over its bytes, all texts at once, then splitmix64."""
    if len(values) == 0:
        return np.empty(0, np.uint64)
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[
        values.offset : values.offset + len(values) + 1
    ]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.empty(0, np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    by_length = np.argsort(-lengths, kind="stable")
    starts, descending = starts[by_length], -lengths[by_length]
    hashes = np.full(len(values), _FNV_OFFSET)
    for position in range(int(lengths.max())):
        longer = int(np.searchsorted(descending, -position, side="left"))
        hashes[:longer] = (hashes[:longer] ^ data[starts[:longer] + position]) * _FNV_PRIME
    unsorted = np.empty_like(hashes)
    unsorted[by_length] = hashes
    return mix64(unsorted)


def hash_rows(block: NDArray[np.generic]) -> NDArray[np.uint64]:
    """[b] 64-bit hash of each row of a [b, d] block; equal rows are equal, 0 and −0 too."""
    values = np.ascontiguousarray(block)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            values = np.add(values, 0, dtype=values.dtype)  # −0 + 0 is 0
    data = values.view(np.uint8).reshape(len(values), -1)
    padded = np.zeros((len(values), -(-data.shape[1] // 8) * 8), np.uint8)
    padded[:, : data.shape[1]] = data
    words = padded.view(np.uint64)
    places = mix64(np.arange(words.shape[1], dtype=np.uint64))
    return mix64(words ^ places).sum(axis=1, dtype=np.uint64)
