"""Bare lists of row numbers, masks and DataComp's files: what other tools read."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.ids import Ids
from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.access import read_errors
from coreset_cli.io.npy import read_flat_npy
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["datacomp_words", "mask_of", "read_row_numbers"]

DATACOMP = np.dtype("u8,u8")
"""A uid of 128 bits as two words, the first the more significant."""


def mask_of(rows: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """[n] whether each row is picked."""
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return mask


def datacomp_words(ids: Ids) -> NDArray[np.generic]:
    """DataComp's subset file: each 128-bit uid as two 64-bit words, sorted.

    Raises:
        SchemaMismatch: an id is not 32 hexadecimal digits.
    """
    pairs = []
    for row, text in enumerate(ids.texts()):
        if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
            raise SchemaMismatch(
                f"the datacomp format needs uids of 32 hexadecimal digits; pick {row} has the id "
                f"'{text[:40]}'; name the column of uids with --id"
            )
        pairs.append((int(text[:16], 16), int(text[16:], 16)))
    return np.sort(np.array(pairs, dtype=DATACOMP))


def read_row_numbers(path: Path) -> NDArray[np.int64]:
    """Row numbers from `.npy` (numbers or a mask) or from text, one a line.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: something else.
    """
    start = first_bytes(path)
    if kind_of_bytes(start) == "npy" or path.suffix.lower() == ".npy":
        return _of_array(read_flat_npy(path), path)
    try:
        with read_errors(path):
            lines = path.read_text(encoding="utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise SchemaMismatch(f"{path} is no text of row numbers, one a line") from error
    try:
        return np.array([int(line) for line in lines], np.int64)
    except (ValueError, OverflowError) as error:
        wrong = next(i for i, line in enumerate(lines) if not _is_row_number(line))
        raise SchemaMismatch(
            f"{path}: line {wrong + 1} is '{lines[wrong][:40]}'; row numbers were expected, "
            "one a line"
        ) from error


def _of_array(values: NDArray[np.generic], path: Path) -> NDArray[np.int64]:
    if values.dtype == np.bool_:
        return np.flatnonzero(values)
    if values.dtype == DATACOMP:
        raise SchemaMismatch(
            f"{path} is DataComp's file of uids, which has no row numbers; "
            "write the selection as .parquet too and name that"
        )
    if values.dtype.kind not in "iu":
        raise SchemaMismatch(f"{path} holds {values.dtype}, not row numbers; save integers")
    if values.dtype == np.uint64 and int(values.max(initial=0)) >= 1 << 63:
        raise SchemaMismatch(f"{path} holds numbers beyond 2⁶³; they are no row numbers")
    return values.astype(np.int64)


def _is_row_number(word: str) -> bool:
    try:
        return abs(int(word)) < 1 << 63
    except ValueError:
        return False
