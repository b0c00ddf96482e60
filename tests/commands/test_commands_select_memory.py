"""What `select` promises to stay within: inputs of any size, of which no byte is allocated."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels
from coreset_cli.commands.select_memory import _at_once, memory_of_any, planned_memory
from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import DoesNotFit
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.cuda import chain
from coreset_cli.kernels.cuda.classes import AT_ONCE, PICK_BYTES
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.k_center import KCenter
from coreset_cli.methods.random import Random

CPU = torch.device("cpu")
PLENTY = 1 << 50


def data_of(n, d, sizes=None):
    """One number seen as n rows of d values, with labels where sizes of classes are given."""
    labels = None
    if sizes is not None:
        codes = np.repeat(np.arange(len(sizes)), sizes)
        labels = Labels(codes, tuple(map(str, range(len(sizes)))))
    return SimpleNamespace(
        path="virtual",
        matrix=Matrix([Shard("virtual", np.broadcast_to(np.float32(1), (n, d)))]),
        ids=Ids(pa.array(np.arange(n)), is_row_number=True),
        labels=labels,
    )


def planned(data, selector, k=10, limit=PLENTY, device=CPU):
    return planned_memory(data, selector, k, limit=limit, device=device)


def test_rounded_rows_take_two_bytes_a_value():
    assert planned(data_of(100_000, 300), Herding()).rows == 2 * 100_000 * 300


def test_without_a_grid_there_are_no_rounded_rows():
    assert planned(data_of(100_000, 300), Random()).rows == 0


def test_a_part_of_the_rows_for_the_median_is_held_beside_them():
    assert planned(data_of(100_000, 300), Gm(gamma=0.25)).rows == 1.25 * 2 * 100_000 * 300


def test_picks_of_k_center_are_held_wherever_the_rows_are():
    few, many = (planned(data_of(100_000, 300), KCenter(), k).needed for k in (10, 10_010))
    assert 10_000 * 2 * 300 <= many - few <= 10_000 * (4 * 300 + 100)


def test_rows_are_in_memory_up_to_the_last_byte_and_then_in_a_file():
    data = data_of(1_000_000, 100)
    fits = planned(data, Herding())
    slack = 64 << 20  # what the process holds differs from call to call
    assert planned(data, Herding(), limit=fits.peak + slack).rows == fits.rows
    tight = planned(data, Herding(), limit=fits.peak - slack)
    assert (tight.rows, tight.filed) == (0, fits.rows)
    assert tight.room < fits.rows
    assert tight.peak < fits.peak - fits.rows + slack


def test_a_device_holds_its_own_rows():
    assert planned(data_of(100_000, 300), Herding(), device=torch.device("meta")).rows == 0


def test_the_largest_classes_are_held_at_once(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    sizes = [100, 40_000, 500, 30_000, 20_000]
    data = data_of(sum(sizes), 300, sizes)
    plan = planned(data, PerClass(method=Herding()), 100)
    assert plan.rows == 2 * 300 * (40_000 + 30_000)
    assert plan.needed < planned(data_of(sum(sizes), 300), Herding()).needed + (96 << 20)


def test_classes_share_the_room_there_is(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    data = data_of(1_000_000, 100, [500_000, 500_000])
    selector = PerClass(method=Herding())
    plenty = planned(data, selector)
    tight = planned(data, selector, limit=plenty.peak - (64 << 20))
    assert tight.peak <= plenty.peak - (64 << 20)
    assert tight.room < plenty.rows


def test_what_does_not_fit_is_refused_with_what_would_do():
    data = data_of(10_000_000, 3)
    plan = planned(data, Herding())
    without_rows = plan.held + plan.needed
    plan.require(without_rows, data.matrix.n)
    with pytest.raises(DoesNotFit, match=r"selecting from 10000000 rows needs .* would do") as told:
        plan.require(without_rows - 1, data.matrix.n)
    enough = int(str(told.value).split("--max-memory ")[-1].split("M")[0]) << 20
    assert without_rows < enough <= without_rows + (32 << 20)


@pytest.mark.parametrize("method", [Gm(), KCenter(), Random(), Herding()])
def test_no_method_needs_more_than_any(method):
    data = data_of(1_000_000, 10)
    assert planned(data, method, 1_000_000).needed <= memory_of_any(data) + (32 << 20)


def test_on_a_device_the_host_reads_small_classes_at_once_and_large_ones_alone(monkeypatch):
    monkeypatch.setattr(chain, "DEVICES", {"cpu"})
    monkeypatch.setattr(chain, "compiles", lambda device: True)
    small = PICK_BYTES * AT_ONCE // (2 * 300)  # rows of the largest class that runs with others

    def together(*sizes):
        return int(
            _at_once(data_of(sum(sizes), 300, sizes), PerClass(method=Gm()), 100, CPU)[0].sum()
        )

    assert together(*[small] * (AT_ONCE + 5)) == AT_ONCE * small
    assert together(100 * small, *[small] * AT_ONCE) == 100 * small
    assert together(2 * small, *[small] * AT_ONCE) == AT_ONCE * small
    assert together(*[small] * 3) == small
