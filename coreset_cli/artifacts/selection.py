"""An index list: the type, and its join with other files of the same samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.manifest import (
    Manifest,
)
from coreset_cli.errors import IdMismatch, StaleParent
from coreset_cli.io.digest import lines_digest

__all__ = [
    "CORE",
    "SIDECAR",
    "SUPPORT",
    "Selection",
    "digest_fault",
    "roles_of",
    "rows_in",
    "sidecar_of",
]

SIDECAR = ".coreset.json"

CORE, SUPPORT = "core", "support"
"""Roles of rows."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Picked rows, in rank order unless sorted by number.

    Args:
        rows: [k] row numbers in the input.
        ids: [k] ids of those rows.
        ranks: [k] rank of each row, 0 the best.
        labels: [k] labels as text, where the input has labels.
        weights: [k] training weights, where the method gives any.
        scores: [k] what the method ranked by, where it ranked.
        roles: [k] `core` or `support`.
        manifest: how it came about; nothing for a bare list of row numbers.
        ranked: the ranks are known; a bare list in ascending order may have been sorted.
    """

    rows: NDArray[np.int64]
    ids: Ids
    ranks: NDArray[np.int64]
    labels: NDArray[np.str_] | None = None
    weights: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    roles: NDArray[np.str_] | None = None
    manifest: Manifest | None = None
    ranked: bool = True

    @property
    def support(self) -> NDArray[np.bool_] | None:
        """[k] which rows are support rows, where rows have roles."""
        return None if self.roles is None else self.roles == SUPPORT

    def by_index(self) -> "Selection":
        """The same rows in ascending order of their numbers."""
        order = np.argsort(self.rows, kind="stable")

        def sorted_(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[order]

        return Selection(
            rows=self.rows[order],
            ids=self.ids.take(order),
            ranks=self.ranks[order],
            labels=sorted_(self.labels),
            weights=sorted_(self.weights),
            scores=sorted_(self.scores),
            roles=sorted_(self.roles),
            manifest=self.manifest,
            ranked=self.ranked,
        )


def roles_of(support: NDArray[np.bool_] | None) -> NDArray[np.str_] | None:
    """The role of each row, where there are several."""
    return None if support is None else np.where(support, SUPPORT, CORE)


def sidecar_of(path: Path) -> Path:
    """Where the manifest of an export lies."""
    return path.with_name(path.name + SIDECAR)


def digest_fault(selection: Selection) -> str | None:
    """What is wrong where the rows are not those the manifest was written for.

    An export sorted by row number, or of rows that have ids, is held against the count alone: the
    digest is over ids in the order of their rank.
    """
    manifest = selection.manifest
    if manifest is None:
        return None
    k = len(selection.rows)
    if manifest.count != k:
        return f"its manifest is of {manifest.count} rows, {k} are there"
    if not selection.ranked or (
        selection.ids.is_row_number and not manifest.inputs[0].row_number_ids
    ):
        return None
    found = lines_digest(selection.ids.texts())
    if found == manifest.selection_digest:
        return None
    return f"its rows have the digest {found[:16]}…, its manifest says " + (
        f"{manifest.selection_digest[:16]}…" if manifest.selection_digest else "nothing"
    )


def rows_in(
    selection: Selection, source: str, ids: Ids, target: str, ids_digest: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Rows of the selected ids in another file of the same samples: a join on ids.

    Args:
        selection: what was picked.
        source: its file, for messages.
        ids: ids of the other file.
        target: the other file, for messages.
        ids_digest: digest of those ids.

    Returns:
        The [k] rows, and what the user should know.

    Raises:
        IdMismatch: an id is not there.
        StaleParent: the selection is of row numbers, and of a file of other rows.
    """
    parent = selection.manifest.inputs[0] if selection.manifest else None
    same_rows = parent is not None and parent.ids_digest == ids_digest
    if not selection.ids.is_row_number:
        ancestors = selection.manifest.parents if selection.manifest else ()
        named_by_row = any(a.row_number_ids and a.ids_digest == ids_digest for a in ancestors)
        if ids.is_row_number and not (same_rows or named_by_row):
            raise IdMismatch(
                f"{source} lists ids, {target} has none, and row numbers are not ids; "
                "name the column of ids with --id"
            )
        return ids.rows_of(selection.ids, source, target), ()
    if parent is not None and not same_rows:
        raise StaleParent(
            f"{source} was picked by row number from {parent.path} ({parent.rows} rows); "
            f"{target} has {len(ids)} rows or other ids: its rows are not the same samples; "
            "give the data it was picked from, or select again with ids (--id)"
        )
    beyond = selection.rows[(selection.rows < 0) | (selection.rows >= len(ids))]
    if len(beyond):
        raise IdMismatch(
            f"{source} lists row {beyond[0]}, {target} has {len(ids)} rows; "
            "give the data it was picked from"
        )
    bare = f"{source} has no manifest: its numbers are taken as row numbers of {target}"
    return selection.rows, () if parent is not None else (bare,)
