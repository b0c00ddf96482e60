import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.dynamics import SERIES, Dynamics, Snapshot
from coreset_cli.artifacts.ids import Ids, make_ids, row_numbers
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.artifacts.signals import (
    SIGNALS_KEY,
    Signals,
    SignalsRecord,
    read_signals,
    write_signals,
)
from coreset_cli.errors import (
    ArtifactIncomplete,
    FileMissing,
    IdMismatch,
    SchemaMismatch,
    StaleParent,
)

N, C, D, E = 7, 3, 5, 4


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def shot(epoch: int) -> Snapshot:
    return Snapshot(
        epoch=epoch,
        logits=numbers(N, C) + epoch,
        feature=numbers(N, D) + epoch,
        weight=numbers(C, D) + epoch,
        bias=numbers(C) + epoch,
    )


@pytest.fixture
def signals() -> Signals:
    series = {name: numbers(N, E) + place for place, name in enumerate(SERIES)}
    series["drift"][:, 0] = np.nan
    series["p_true"][2, 3] = np.nan
    series["margin"][0, 0] = -np.inf
    series["correct"] = numbers(N, E) > 0
    labels = make_labels(pa.array(["cat", "dog", "cat", "ape", "ape", "dog", "cat"]), "labels")
    return Signals(
        ids=make_ids(pa.array([f"row{i}" for i in range(N)]), "ids"),
        labels=labels,
        record=SignalsRecord(
            network="resnet18",
            recipe={"name": "quick", "epochs": E, "milestones": [], "clip": None},
            seed=3,
            classes=labels.names,
            labels_digest=labels.digest(),
            epochs=E,
            snapshot_epochs=(2, E),
            view="train",
            train={"path": "train.parquet", "rows": N},
        ),
        dynamics=Dynamics(**series),
        snapshots=(shot(2), shot(E)),
        held_out=numbers(N, C),
    )


def assert_equal(a: Signals, b: Signals) -> None:
    assert a.ids.values.equals(b.ids.values)
    assert a.ids.is_row_number == b.ids.is_row_number
    assert a.labels.texts().tolist() == b.labels.texts().tolist()
    assert a.labels.names == b.labels.names
    assert a.record == b.record
    for name in SERIES:
        np.testing.assert_array_equal(getattr(a.dynamics, name), getattr(b.dynamics, name))
        assert getattr(a.dynamics, name).dtype == getattr(b.dynamics, name).dtype
    assert len(a.snapshots) == len(b.snapshots)
    for one, other in zip(a.snapshots, b.snapshots, strict=True):
        assert one.epoch == other.epoch
        for name in ("logits", "feature", "weight", "bias"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (a.held_out is None) == (b.held_out is None)
    if a.held_out is not None:
        np.testing.assert_array_equal(a.held_out, b.held_out)


def test_signals_read_back_bit_for_bit(tmp_path, signals):
    write_signals(tmp_path / "s.parquet", signals)
    assert_equal(read_signals(tmp_path / "s.parquet"), signals)


def test_the_file_is_an_ordinary_table(tmp_path, signals):
    write_signals(tmp_path / "s.parquet", signals)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table["id"].to_pylist() == [f"row{i}" for i in range(N)]
    assert table["label"].to_pylist() == signals.labels.texts().tolist()
    assert table.schema.field("margin").type == pa.list_(pa.float32(), E)
    assert table.schema.field("correct").type == pa.list_(pa.bool_(), E)
    assert table["feature"][3].as_py() == signals.last.feature[3].tolist()
    assert table["early_logits"][1].as_py() == signals.early.logits[1].tolist()


def test_a_short_run_has_one_picture_which_is_both(tmp_path, signals):
    record = replace(signals.record, snapshot_epochs=(E,))
    short = replace(signals, snapshots=(shot(E),), held_out=None, record=record)
    write_signals(tmp_path / "s.parquet", short)
    found = read_signals(tmp_path / "s.parquet")
    assert_equal(found, short)
    assert found.early is found.last
    assert "early_logits" not in pq.read_schema(tmp_path / "s.parquet").names


def test_row_numbers_stay_row_numbers(tmp_path, signals):
    bare = replace(signals, ids=row_numbers(N))
    write_signals(tmp_path / "s.parquet", bare)
    assert read_signals(tmp_path / "s.parquet").ids.is_row_number


def test_many_rows_are_read_back_across_row_groups(tmp_path, signals, monkeypatch):
    monkeypatch.setattr("coreset_cli.io.parquet.ROW_GROUP_BYTES", 1)
    write_signals(tmp_path / "s.parquet", signals)
    assert pq.ParquetFile(tmp_path / "s.parquet").num_row_groups == N
    assert_equal(read_signals(tmp_path / "s.parquet"), signals)


def test_signals_of_some_rows_are_found_by_id(signals):
    ids = make_ids(pa.array(["row5", "row0"]), "ids")
    labels = make_labels(pa.array(["dog", "cat"]), "labels")  # other codes, the same texts
    found = signals.of(ids, labels, source="emb.npy", target="s.parquet")
    assert found.ids.values.to_pylist() == ["row5", "row0"]
    np.testing.assert_array_equal(found.dynamics.margin, signals.dynamics.margin[[5, 0]])
    np.testing.assert_array_equal(found.last.logits, signals.last.logits[[5, 0]])
    np.testing.assert_array_equal(found.early.feature, signals.early.feature[[5, 0]])
    np.testing.assert_array_equal(found.held_out, signals.held_out[[5, 0]])
    assert found.last.weight is signals.last.weight


def test_signals_of_other_labels_are_refused(signals):
    labels = Labels(np.roll(signals.labels.codes, 1), signals.labels.names)
    with pytest.raises(StaleParent, match=r"row 0 of e\.npy is labelled 'cat', it was 'cat'|row 1"):
        signals.of(signals.ids, labels, source="e.npy", target="s.parquet")


def test_signals_of_other_rows_are_refused(signals):
    ids = Ids(pa.array([f"new{i}" for i in range(N)], pa.large_string()))
    with pytest.raises(IdMismatch, match=r"'new0' \(row 0\) is not in s\.parquet"):
        signals.of(ids, signals.labels, source="e.npy", target="s.parquet")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileMissing, match="no such file"):
        read_signals(tmp_path / "s.parquet")


def test_a_truncated_file(tmp_path, signals):
    path = tmp_path / "s.parquet"
    write_signals(path, signals)
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ArtifactIncomplete, match=r"s\.parquet"):
            read_signals(path)


def test_a_table_of_something_else(tmp_path):
    pq.write_table(pa.table({"id": [1]}), tmp_path / "t.parquet")
    with pytest.raises(SchemaMismatch, match="coreset evaluate --record"):
        read_signals(tmp_path / "t.parquet")


def _without(name):
    return lambda table, record: (table.drop_columns([name]), record)


def _recorded(**changes):
    return lambda table, record: (table, record | changes)


def _column(name, values):
    def change(table, record):
        return table.set_column(table.column_names.index(name), name, values), record

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("margin"),
        _without("logits"),
        _without("early_feature"),
        _without("label"),
        _recorded(epochs=E + 1),
        _recorded(classes=["ape", "cat"]),
        _recorded(classes=["ape", "cat", "dog", "elk"]),
        _recorded(heads=[]),
        _recorded(heads=[{"weight": "AAAA", "bias": "AAAA"}] * 2),
        _recorded(heads=[{"weight": "=!", "bias": ""}] * 2),
        _recorded(snapshot_epochs=[4]),
        _recorded(recipe=None, seed=None, classes=None),
        _column("drift", pa.array([[0.0] * E] * N)),
        _column("drift", pa.array([None] + [[0.0] * E] * (N - 1), pa.list_(pa.float32(), E))),
        _column("drift", pa.array([[None] * E] * N, pa.list_(pa.float32(), E))),
        _column("correct", pa.array([[0.5] * E] * N, pa.list_(pa.float32(), E))),
        _column("label", pa.array([None, *["cat"] * (N - 1)], pa.string())),
        _column("label", pa.array(["yak"] * N)),
    ],
)
def test_a_file_that_is_not_what_its_record_says(tmp_path, signals, change):
    path = tmp_path / "s.parquet"
    write_signals(path, signals)
    table = pq.read_table(path)
    record = json.loads(table.schema.metadata[SIGNALS_KEY])
    table, record = change(table, record)
    pq.write_table(table.replace_schema_metadata({SIGNALS_KEY: json.dumps(record).encode()}), path)
    with pytest.raises(SchemaMismatch, match=r"s\.parquet is not what its record says"):
        read_signals(path)


def test_ids_that_repeat(tmp_path, signals):
    path = tmp_path / "s.parquet"
    write_signals(path, signals)
    table = pq.read_table(path)
    metadata = table.schema.metadata
    repeated = table.set_column(0, "id", pa.array(["same"] * N)).replace_schema_metadata(metadata)
    pq.write_table(repeated, path)
    with pytest.raises(IdMismatch, match="same id"):
        read_signals(path)
