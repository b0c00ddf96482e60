"""What was recorded of the corruption, held against the rows kept. Only `evaluate` reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from coreset_cli.artifacts.corruption import CLEAN_LABEL, CORRUPTION, names_column
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.artifacts.report import Share, Truth
from coreset_cli.artifacts.samples import Samples

__all__ = ["Known", "read_truth"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Known:
    """Which rows of the training file are bad, as far as it is recorded.

    Args:
        n: rows.
        corrupted: [n] rows with a corruption, where the column is there.
        by_type: the same for each name.
        mislabelled: [n] rows whose clean label is another, where the column is there.
    """

    n: int
    corrupted: Mask | None
    by_type: Mapping[str, Mask]
    mislabelled: Mask | None

    @property
    def clean(self) -> Mask:
        """[n] rows of which nothing bad is known."""
        bad = np.zeros(self.n, bool)
        for mask in (self.corrupted, self.mislabelled):
            if mask is not None:
                bad |= mask
        return ~bad

    def of(self, draws: Sequence[NDArray[np.int64]]) -> Truth:
        """Shares among the rows kept, mean over the draws."""
        recorded = self.corrupted is not None or self.mislabelled is not None
        return Truth(
            corrupted=_share(self.corrupted, draws),
            by_type={
                name: Share(_kept(mask, draws), float(mask.mean()))
                for name, mask in self.by_type.items()
            },
            mislabelled=_share(self.mislabelled, draws),
            clean_recall=self._recall(draws) if recorded else None,
        )

    def _recall(self, draws: Sequence[NDArray[np.int64]]) -> float | None:
        clean = self.clean
        total = int(clean.sum())
        if total == 0:
            return None
        return float(np.mean([clean[rows].sum() / min(len(rows), total) for rows in draws]))


def read_truth(train: Samples, labels: Labels) -> Known:
    """Read `corruption` and `clean_label`, where the training file has them.

    Raises:
        SchemaMismatch: a column of another type.
    """
    corrupted, by_type = _corruptions(train)
    return Known(
        n=len(train.ids),
        corrupted=corrupted,
        by_type=by_type,
        mislabelled=_mislabelled(train, labels),
    )


def _corruptions(train: Samples) -> tuple[Mask | None, dict[str, Mask]]:
    if CORRUPTION not in train.columns.names:
        return None, {}
    values = names_column(train.columns.read(CORRUPTION), train.path)
    masks: dict[str, Mask] = {}
    for value in pc.unique(values.drop_null()).to_pylist():
        here = pc.fill_null(pc.equal(values, value), False).to_numpy().astype(bool)
        for name in value.split("+"):
            masks[name] = masks.get(name, np.zeros(len(here), bool)) | here
    corrupted = ~values.is_null().to_numpy().astype(bool)
    return corrupted, {name: masks[name] for name in sorted(masks)} if len(masks) > 1 else {}


def _mislabelled(train: Samples, labels: Labels) -> Mask | None:
    """Rows whose clean label is known and another one."""
    if CLEAN_LABEL not in train.columns.names:
        return None
    values = train.columns.read(CLEAN_LABEL)
    known = ~values.is_null().to_numpy().astype(bool)
    wrong = np.zeros(len(train.ids), bool)
    if known.any():
        clean = make_labels(values.drop_null(), f"{train.path}: column '{CLEAN_LABEL}'")
        wrong[known] = clean.texts() != labels.texts()[known]
    return wrong


def _kept(mask: Mask, draws: Sequence[NDArray[np.int64]]) -> float:
    return float(np.mean([mask[rows].mean() for rows in draws]))


def _share(mask: Mask | None, draws: Sequence[NDArray[np.int64]]) -> Share | None:
    return None if mask is None else Share(_kept(mask, draws), float(mask.mean()))
