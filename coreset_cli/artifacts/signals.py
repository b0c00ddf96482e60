"""What a training run showed of each row: a Parquet file that selection methods read.

Per epoch, vectors of e numbers a row; at the end, and at an early epoch where the run was longer,
logits and features with the last layer that turns one into the other. Row i belongs to `ids[i]`.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, FloatArray, Snapshot
from coreset_cli.artifacts.ids import Ids, make_ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.artifacts.manifest import read_record, versions
from coreset_cli.errors import FileMissing, MissingInput, SchemaMismatch, StaleParent
from coreset_cli.io.lists import list_column, listed
from coreset_cli.io.parquet import read_schema, read_table, write_parquet
from coreset_cli.io.sniff import first_bytes, kind_of_bytes

__all__ = ["Signals", "SignalsRecord", "holds_signals", "read_signals", "write_signals"]

SIGNALS_KEY = b"coreset.signals"
"""Key of the record in the metadata of the Parquet file."""

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SignalsRecord:
    """How signals came about.

    Args:
        network: what was trained, such as `resnet18`.
        recipe: its hyperparameters.
        seed: of the run.
        classes: label of each class, in the order of the logits.
        labels_digest: SHA-256 of the labels trained on, one a line, in row order.
        epochs: of the run.
        snapshot_epochs: after which the network was pictured, ascending.
        view: `train`: rows as augmented, before the step; `eval`: not augmented, in eval mode.
        train: what was trained on: path, rows, digests.
        schema: version of this record.
        versions: of what decides the numbers.
    """

    network: str
    recipe: Mapping[str, Any]
    seed: int
    classes: tuple[str, ...]
    labels_digest: str
    epochs: int
    snapshot_epochs: tuple[int, ...]
    view: str
    train: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION
    versions: Mapping[str, str] = field(default_factory=versions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """Signals of a run, row by row.

    Args:
        ids: [n] one name a row.
        labels: [n] trained on.
        record: how they came about.
        dynamics: each epoch.
        snapshots: the early one where there is one, and that of the end; none of a loop that
            took none.
        held_out: [n, c] logits of each row by a network that was not trained on it.
    """

    ids: Ids
    labels: Labels
    record: SignalsRecord
    dynamics: Dynamics
    snapshots: tuple[Snapshot, ...]
    held_out: FloatArray | None = None

    @property
    def early(self) -> Snapshot:
        """The network early on; its end, where the run was too short for more.

        Raises:
            MissingInput: it was never pictured.
        """
        return self._pictured[0]

    @property
    def last(self) -> Snapshot:
        """The network at the end.

        Raises:
            MissingInput: it was never pictured.
        """
        return self._pictured[-1]

    @property
    def _pictured(self) -> tuple[Snapshot, ...]:
        if not self.snapshots:
            raise MissingInput(
                "these signals hold no picture of the network, its logits and features, which this "
                "method needs; take one with `Recorder.snapshot`, or record the network with "
                "`coreset evaluate --record FILE`"
            )
        return self.snapshots

    def of(self, ids: Ids, labels: Labels, *, source: str, target: str) -> "Signals":
        """The signals of some rows, by id.

        Args:
            ids: whose.
            labels: of those rows: signals of other labels say nothing of these.
            source: the file of those rows, for messages.
            target: the file of these signals, for messages.

        Raises:
            IdMismatch: an id without signals.
            StaleParent: a row had another label when the network was trained.
        """
        rows = self.ids.rows_of(ids, source, target)
        then, now = self.labels.texts()[rows], labels.texts()
        if (then != now).any():
            row = int(np.flatnonzero(then != now)[0])
            raise StaleParent(
                f"{target} is of a network trained on other labels: row {row} of {source} is "
                f"labelled '{now[row]}', it was '{then[row]}' "
                f"({int((then != now).sum())} of {len(rows)} rows differ); record signals again"
            )
        return self.take(rows)

    def take(self, rows: NDArray[np.int64]) -> "Signals":
        """Signals of some rows, in that order."""
        series = {name: getattr(self.dynamics, name)[rows] for name in SERIES}
        return replace(
            self,
            ids=self.ids.take(rows),
            labels=self.labels.take(rows),
            dynamics=Dynamics(**series),
            snapshots=tuple(
                replace(shot, logits=shot.logits[rows], feature=shot.feature[rows])
                for shot in self.snapshots
            ),
            held_out=None if self.held_out is None else self.held_out[rows],
        )


def write_signals(path: Path, signals: Signals) -> None:
    """Write signals, whole or not at all; every number reads back as it was.

    Raises:
        DiskFull: no space left.
    """
    vectors = {name: getattr(signals.dynamics, name) for name in SERIES}
    heads = []
    for prefix, shot in zip(_prefixes(len(signals.snapshots)), signals.snapshots, strict=True):
        vectors |= {f"{prefix}logits": shot.logits, f"{prefix}feature": shot.feature}
        heads.append({"weight": _packed(shot.weight), "bias": _packed(shot.bias)})
    if signals.held_out is not None:
        vectors["held_out"] = signals.held_out
    columns = {"id": signals.ids.values, "label": pa.array(signals.labels.texts())}
    table = pa.table(columns | {name: list_column(values) for name, values in vectors.items()})
    record = {
        **asdict(signals.record),
        "heads": heads,
        "row_number_ids": signals.ids.is_row_number,
    }
    metadata = {SIGNALS_KEY: json.dumps(record, default=str, ensure_ascii=False).encode()}
    floats = [name for name in vectors if name != "correct"]
    write_parquet(path, table.replace_schema_metadata(metadata), vectors=floats)


def holds_signals(path: Path) -> bool:
    """Whether a file is one that `write_signals` wrote.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty, truncated or damaged.
    """
    if kind_of_bytes(first_bytes(path)) != "parquet":
        return False
    return SIGNALS_KEY in (read_schema(path).metadata or {})


def read_signals(path: Path) -> Signals:
    """Read signals.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: truncated or damaged.
        SchemaMismatch: not signals, or other shapes than its record says.
    """
    if not path.is_file():
        raise FileMissing(f"no such file: {path}")
    packed = (read_schema(path).metadata or {}).get(SIGNALS_KEY)
    if packed is None:
        raise SchemaMismatch(
            f"{path} holds no signals of training; write them with `coreset evaluate --record`"
        )
    try:
        return _read(path, read_record(packed, str(path)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaMismatch(
            f"{path} is not what its record says ({error}); record the signals again"
        ) from error


def _prefixes(count: int) -> tuple[str, ...]:
    """Of the columns of so many snapshots; a lone one is that of the end."""
    return ("early_", "")[2 - count :]


def _read(path: Path, record: Mapping[str, Any]) -> Signals:
    made = SignalsRecord(
        **{
            **{f.name: record[f.name] for f in fields(SignalsRecord)},
            "classes": tuple(record["classes"]),
            "snapshot_epochs": tuple(record["snapshot_epochs"]),
        }
    )
    table = read_table(path)
    name = f"{path}: column"
    ids = make_ids(table["id"], f"{name} 'id'")
    texts = table["label"].to_pylist()
    codes = np.array([made.classes.index(text) for text in texts], np.int64)
    labels = Labels(codes, made.classes)
    c = len(made.classes)
    series = {
        signal: listed(
            table, signal, made.epochs, pa.bool_() if signal == "correct" else pa.float32()
        )
        for signal in SERIES
    }
    snapshots = []
    heads = record["heads"]
    prefixes = _prefixes(len(heads))
    for prefix, epoch, head in zip(prefixes, made.snapshot_epochs, heads, strict=True):
        weight = _unpacked(head["weight"]).reshape(c, -1)
        shot = Snapshot(
            epoch=epoch,
            logits=listed(table, f"{prefix}logits", c, pa.float32()),
            feature=listed(table, f"{prefix}feature", weight.shape[1], pa.float32()),
            weight=weight,
            bias=_unpacked(head["bias"]).reshape(c),
        )
        snapshots.append(shot)
    held_out = None
    if "held_out" in table.column_names:
        held_out = listed(table, "held_out", c, pa.float32())
    return Signals(
        ids=Ids(ids.values, is_row_number=bool(record["row_number_ids"])),
        labels=labels,
        record=made,
        dynamics=Dynamics(**series),
        snapshots=tuple(snapshots),
        held_out=held_out,
    )


def _packed(values: FloatArray) -> str:
    return b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _unpacked(text: str) -> FloatArray:
    return np.frombuffer(b64decode(text), "<f4").astype(np.float32)
