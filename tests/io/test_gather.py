"""Rows of Parquet files in any order, against `Table.take` on the whole table in memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch
from coreset_cli.io import gather
from coreset_cli.io.gather import common_schema, gather_rows

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def make_table(n, seed):
    rng = np.random.default_rng(seed)
    blobs = [rng.bytes(int(rng.integers(0, 50))) if i % 7 else None for i in range(n)]
    return pa.table(
        {
            "image": pa.array([{"bytes": b, "path": str(i)} for i, b in enumerate(blobs)], IMAGE),
            "words": pa.array([f"w{i % 3}" for i in range(n)]).dictionary_encode(),
            "boxes": pa.array(
                [[[1.0, i]] * (i % 3) for i in range(n)], pa.list_(pa.list_(pa.float64()))
            ),
            "when": pa.array(np.arange(n), pa.timestamp("ms", "UTC")),
            "half": pa.FixedSizeListArray.from_arrays(
                pa.array(rng.normal(size=2 * n).astype(np.float16)), 2
            ),
            "flag": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(n)], pa.bool_()),
        }
    )


@pytest.fixture
def parts(tmp_path):
    tables = [make_table(n, seed) for n, seed in [(40, 0), (1, 1), (29, 2)]]
    paths = [tmp_path / f"{i}.parquet" for i in range(3)]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, path, row_group_size=16)
    return paths, pa.concat_tables(tables)


@pytest.mark.parametrize("block", [8 << 20, 300])
@pytest.mark.parametrize("k", [1, 7, 70])
def test_rows_are_those_of_take_in_every_type(parts, monkeypatch, block, k):
    monkeypatch.setattr(gather, "BLOCK_BYTES", block)
    paths, whole = parts
    rows = np.random.default_rng(k).permutation(70)[:k]
    found = gather_rows(paths, rows, lambda done, total: None)
    batches = list(found.batches())
    assert pa.Table.from_batches(batches).to_pylist() == whole.take(pa.array(rows)).to_pylist()
    assert found.schema.types == whole.schema.types
    if block == 300 and k == 70:
        assert len(batches) > 3


def test_progress_ends_at_all_rows(parts):
    seen = []
    gather_rows(parts[0], np.array([3]), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (70, 70)


def test_only_the_rows_wanted_stay_in_memory(tmp_path):
    path = tmp_path / "big.parquet"
    blobs = [np.random.default_rng(i).bytes(20_000) for i in range(500)]
    pq.write_table(pa.table({"x": blobs}), path, row_group_size=50, use_dictionary=False)
    before, held = pa.total_allocated_bytes(), []
    rows = np.arange(0, 500, 50)

    def progress(done, total):
        held.append(pa.total_allocated_bytes() - before)

    gather_rows([path], rows, progress)
    assert len(held) == 10
    assert held[-1] < 2 * len(rows) * 20_000  # of 10 MB


def test_files_of_other_types_are_refused(tmp_path):
    pq.write_table(pa.table({"x": [1], "y": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"y": [1], "x": [0.5]}), tmp_path / "b.parquet")
    with pytest.raises(SchemaMismatch, match=r"b\.parquet: column 'x' is double, in .*int64"):
        common_schema([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_columns_may_stand_in_another_order_and_one_may_have_nulls(tmp_path):
    full = pa.schema([pa.field("x", pa.int64(), nullable=False), ("y", pa.string())])
    pq.write_table(pa.table([[1], ["a"]], schema=full), tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"y": ["b"], "x": pa.array([None], pa.int64())}), tmp_path / "b.parquet"
    )
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    found = gather_rows(paths, np.array([1, 0]), lambda done, total: None)
    table = pa.Table.from_batches(list(found.batches()))
    assert table.to_pylist() == [{"x": None, "y": "b"}, {"x": 1, "y": "a"}]
    assert found.schema.field("x").nullable


def test_damage_inside_a_row_group_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(0).bytes(4000).hex().split("0")}), path)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(ArtifactIncomplete, match=r"a\.parquet is truncated or damaged"):
        gather_rows([path], np.array([5]), lambda done, total: None)
