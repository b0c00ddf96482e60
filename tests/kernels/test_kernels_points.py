import numpy as np
import pytest
import torch
from clouds import points_of

from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels import points
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key

ROWS = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)


@pytest.fixture(params=["kept", "streamed"])
def storage(request, monkeypatch):
    monkeypatch.setattr(points, "KEPT_BYTES", 1 << 20 if request.param == "kept" else 0)
    monkeypatch.setattr(points, "BLOCK_BYTES", 8 * 7 * 11)
    return request.param


def joined(data):
    return np.concatenate([block.numpy().copy() for _, block in data.blocks()])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i8", "u1", "u4", "?"])
def test_blocks_are_the_rows_in_order(storage, dtype):
    rows = (10 * np.abs(ROWS)).astype(dtype)
    data = points_of(rows)
    starts = [start for start, _ in data.blocks()]
    assert starts == [0, 11, 22, 33, 44]
    assert np.array_equal(joined(data), rows.astype(np.float32).astype(np.float64))
    wanted = torch.tensor([49, 0, 0])
    assert np.array_equal(data.rows(wanted).numpy(), rows.astype(np.float32)[[49, 0, 0]])


def test_subsets_of_subsets(storage):
    data = points_of(ROWS, ids=np.arange(100, 50, -1))
    inner = data.subset(np.array([4, 9, 30])).subset(np.array([2, 0]))
    assert np.array_equal(joined(inner), ROWS[[30, 4]].astype(float))
    assert inner.rank.tolist() == [19, 45]
    assert np.array_equal(joined(inner.unit()), joined(data.unit())[[30, 4]])


def test_unit_rows_and_the_zero_row(storage):
    rows = np.vstack([ROWS, np.zeros((1, 7), np.float32)])
    found = joined(points_of(rows).unit())
    norms = np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    assert np.allclose(found[:-1], rows[:-1] / norms[:-1], atol=1e-15)
    assert not found[-1].any()


def test_each_and_total(storage):
    data = points_of(ROWS)
    assert np.allclose(data.each(lambda block: block.sum(1)).numpy(), ROWS.astype(float).sum(1))
    firsts = data.total(lambda start, block: torch.tensor([start, len(block)]).double())
    assert firsts.tolist() == [110, 50]


def test_rows_over_several_files(storage):
    matrix = Matrix([Shard("a", ROWS[:13]), Shard("b", ROWS[13:])])
    data = Points(matrix, points_of(ROWS).key)
    assert np.array_equal(joined(data), ROWS.astype(float))


def test_only_few_rows_are_kept():
    few = Points(Matrix([Shard("few", ROWS)]), points_of(ROWS).key)
    assert few._kept is not None
    n = points.KEPT_BYTES // 8 + 1
    many = Points(
        Matrix([Shard("many", np.broadcast_to(np.float32(1), (n, 1)))]),
        Key(np.empty(n, np.int64), np.empty(n, np.uint64)),
    )
    assert many._kept is None


def test_no_rows_are_no_rows():
    none = points_of(np.zeros((5, 2), np.float32)).subset(np.array([], np.int64))
    assert (none.n, none.unit().n) == (0, 0)
