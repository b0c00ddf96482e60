import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.errors import ArtifactIncomplete
from coreset_cli.io import stream
from coreset_cli.io.stream import stream_rows


@pytest.fixture
def files(tmp_path):
    """Three files of 7, 0 and 5 rows, of row groups of 3."""
    made = []
    for name, rows in (("a", range(7)), ("b", range(0)), ("c", range(7, 12))):
        table = pa.table({"x": pa.array(rows, pa.int64()), "y": [bytes(50)] * len(rows)})
        pq.write_table(table, tmp_path / name, row_group_size=3)
        made.append(tmp_path / name)
    return made


@pytest.mark.parametrize("block", [1, 100, 8 << 20])
@pytest.mark.parametrize("start", range(13))
def test_the_rows_from_any_start(files, monkeypatch, block, start):
    monkeypatch.setattr(stream, "BLOCK_BYTES", block)
    batches = list(stream_rows(files, ["x"], start))
    assert [x for batch in batches for x in batch.column("x").to_pylist()] == list(range(start, 12))
    assert all(batch.schema.names == ["x"] and batch.num_rows for batch in batches)


def test_row_groups_before_the_start_are_not_read(files):
    with files[0].open("r+b") as file:
        file.seek(4)
        file.write(b"\xff" * 40)  # the first row group
    later = np.concatenate([b.column("x").to_numpy() for b in stream_rows(files, ["x"], 3)])
    assert later.tolist() == list(range(3, 12))
    with pytest.raises(ArtifactIncomplete):
        list(stream_rows(files, ["x"], 0))


def test_batches_are_small(tmp_path):
    blobs = [bytes([i]) * (1 << 20) for i in range(40)]
    pq.write_table(pa.table({"y": blobs}), tmp_path / "one", use_dictionary=False)
    sizes = [batch.nbytes for batch in stream_rows([tmp_path / "one"], ["y"])]
    assert max(sizes) <= 9 << 20
