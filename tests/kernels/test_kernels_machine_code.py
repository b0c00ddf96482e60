from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.caching import CacheImpl

from coreset_cli.kernels.machine_code import both, machine_code


def _double(values):
    for i in numba.prange(len(values)):
        values[i] *= 2


def _doubled(loop):
    values = np.arange(3)
    loop(values)
    return values.tolist()


def _found(loop):
    return sum(loop.stats.cache_hits.values())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("first", [False, True])
def test_loops_of_one_thread_and_of_all_threads_are_never_taken_for_each_other(folder, first):
    assert _doubled(both(_double)[first]) == [0, 2, 4]
    again = both(_double)
    for parallel in (first, not first):
        assert _doubled(again[parallel]) == [0, 2, 4]
    assert (_found(again[first]), _found(again[not first])) == (1, 0)


def test_what_cannot_be_kept_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert _doubled(machine_code()(_double)) == [0, 2, 4]


def test_a_disk_without_room_stops_nothing(folder):
    loop = machine_code()(_double)
    for path in [path for path in folder.iterdir() if path.is_dir()]:
        path.rmdir()
        path.touch()  # a file, where files were to be kept
    assert _doubled(loop) == [0, 2, 4]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("size", [0, 40])
def test_what_was_kept_and_is_damaged_is_compiled_and_kept_again(folder, kind, size):
    _doubled(machine_code()(_double))
    paths = list(folder.rglob(f"*.{kind}"))
    for path in paths:
        Path(path).write_bytes(path.read_bytes()[:size])
    assert paths
    damaged, after = machine_code()(_double), machine_code()(_double)
    assert (_doubled(damaged), _doubled(after)) == ([0, 2, 4], [0, 2, 4])
    assert (_found(damaged), _found(after)) == (0, 1)
