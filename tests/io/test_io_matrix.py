import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.device import anonymous_memory
from coreset_cli.errors import SchemaMismatch
from coreset_cli.io.matrix import BLOCK_BYTES, Matrix, Shard, join, spool
from coreset_cli.io.npy import open_npy
from coreset_cli.io.vectors import open_parquet

MIB = 1 << 20


def shards(*sizes, dtypes=("<f4", ">f4", "<f8")):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(9, size=(n, 3)).astype(dtypes[i % 3]) for i, n in enumerate(sizes)]
    return arrays, Matrix([Shard(f"s{i}", array) for i, array in enumerate(arrays)])


def test_shards_read_as_one_array():
    arrays, matrix = shards(4, 1, 0, 5)
    whole = np.concatenate(arrays)
    for start in range(10):
        for stop in range(start + 1, 11):
            assert (matrix.read(start, stop) == whole[start:stop]).all()
    rows = np.array([9, 0, 4, 5, 5, 3])
    assert (matrix.take(rows) == whole[rows]).all()
    assert matrix.read(0, 10).dtype == np.dtype("f8")
    assert matrix.take(rows).flags.c_contiguous


def test_blocks_cover_every_row_once(monkeypatch):
    arrays, matrix = shards(4, 1, 5)
    monkeypatch.setattr("coreset_cli.io.matrix.BLOCK_BYTES", 3 * 8 * 3)
    blocks = list(matrix.blocks())
    assert [start for start, _ in blocks] == [0, 3, 6, 9]
    assert (np.concatenate([block for _, block in blocks]) == np.concatenate(arrays)).all()


def test_messages_name_the_file_and_its_own_row():
    _, matrix = shards(4, 1, 0, 5)
    assert [matrix.where(row) for row in (0, 3, 4, 5, 9)] == [
        "s0: row 0",
        "s0: row 3",
        "s1: row 0",
        "s3: row 0",
        "s3: row 4",
    ]


def test_shards_of_other_widths_do_not_join():
    with pytest.raises(SchemaMismatch, match="b has vectors of width 2, a of width 3"):
        join([Matrix([Shard("a", np.ones((1, 3)))]), Matrix([Shard("b", np.ones((1, 2)))])])


def test_spooled_rows_are_the_rows_and_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = np.arange(12, dtype=">i4").reshape(6, 2)
    matrix = spool("x", (array[i : i + 4] for i in (0, 4)))
    assert (matrix.read(0, 6) == array).all()
    assert list(tmp_path.iterdir()) == []


def test_a_mapped_file_is_not_allocated(tmp_path):
    path = tmp_path / "emb.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (50_000, 512))
    mapped[:] = 1
    mapped.flush()
    del mapped
    before = anonymous_memory()
    matrix = open_npy(path)
    total = sum(float(block.sum()) for _, block in matrix.blocks())
    grown = anonymous_memory() - before
    assert total == 50_000 * 512
    assert grown < 2 * BLOCK_BYTES  # of 98 MiB


@pytest.mark.parametrize("kind", ["list", "fixed"])
def test_parquet_is_spooled_in_bounded_memory(tmp_path, monkeypatch, kind):
    n, d = 100_000, 256  # 98 MiB in one row group
    path = tmp_path / "emb.parquet"
    values = pa.array(np.arange(n * d, dtype=np.float32))
    lists = pa.FixedSizeListArray.from_arrays(values, d)
    if kind == "list":
        lists = pa.ListArray.from_arrays(np.arange(0, n * d + 1, d, dtype=np.int32), values)
    pq.write_table(
        pa.table({"v": lists}),
        path,
        row_group_size=n,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
    )
    del values, lists
    pool = pa.default_memory_pool()
    start = pool.bytes_allocated()
    peak = 0
    tracemalloc.start()
    original = np.ascontiguousarray

    def watched(*arguments, **settings):
        nonlocal peak
        peak = max(peak, pool.bytes_allocated() - start)
        return original(*arguments, **settings)

    monkeypatch.setattr("numpy.ascontiguousarray", watched)  # called once a block
    (matrix,) = open_parquet([path], None)
    _, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert matrix.n == n
    assert matrix.take(np.array([n - 1]))[0, -1] == np.float32(n * d - 1)
    assert 0 < peak < 5 * BLOCK_BYTES
    assert python < 3 * BLOCK_BYTES


def test_fortran_order_is_copied_block_by_block(tmp_path):
    path = tmp_path / "emb.npy"
    array = np.asfortranarray(np.arange(6_000_000, dtype=np.float32).reshape(-1, 6))
    np.save(path, array)
    before = anonymous_memory()
    matrix = open_npy(path)
    assert anonymous_memory() - before < 2 * BLOCK_BYTES
    rows = np.array([0, 999_999, 12_345])
    assert (matrix.take(rows) == array[rows]).all()


def test_a_file_is_not_kept_open(tmp_path):
    file = io.BytesIO()
    np.save(file, np.ones((2, 2)))
    path = tmp_path / "a.npy"
    path.write_bytes(file.getvalue())
    matrix = open_npy(path)
    path.unlink()
    assert matrix.read(0, 2).sum() == 4
