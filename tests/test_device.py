"""Devices by name, amounts of memory, and what this process holds."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from coreset_cli.device import (
    START_UP,
    anonymous_memory,
    cgroup_room,
    find_device,
    memory_limit,
    parse_bytes,
    peak_memory,
    require_memory,
)
from coreset_cli.errors import DeviceUnavailable, DoesNotFit, InvalidParameter

needs_proc = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("123", 123),
        ("1K", 1024),
        ("512M", 536870912),
        ("8G", 8589934592),
        ("8g", 8589934592),
        ("2.5GiB", 2684354560),
        (" 1 TB ", 1099511627776),
    ],
)
def test_amounts_are_powers_of_1024(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "lots", "-1G", "8 gigs", "G", "1e9", "8G8", "0x10"])
def test_other_words_are_no_amounts(text):
    with pytest.raises(InvalidParameter, match="8G or 512M"):
        parse_bytes(text)


def test_auto_is_the_gpu_where_there_is_one():
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "", "cpu:1", "mps"])
def test_other_names_are_no_devices(name):
    with pytest.raises(InvalidParameter, match="auto, cpu, cuda or cuda:0"):
        find_device(name)


def test_a_gpu_beyond_the_last_is_not_there():
    with pytest.raises(DeviceUnavailable, match="--device cpu"):
        find_device(f"cuda:{torch.cuda.device_count()}")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_by_number():
    assert find_device("cuda:0") == torch.device("cuda:0")


def test_a_limit_below_start_up_is_refused():
    assert memory_limit(str(START_UP)) == START_UP
    with pytest.raises(DoesNotFit, match="start-up"):
        memory_limit(str(START_UP - 1))


@needs_proc
def test_the_default_limit_is_below_what_the_machine_has():
    total = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert START_UP <= memory_limit(None) <= 0.8 * int(total[1]) * 1024


def test_a_step_fits_up_to_the_last_byte():
    require_memory(START_UP + 1000, 1000, "selecting", "select less")
    with pytest.raises(DoesNotFit, match=r"selecting needs .* --max-memory is .*; select less"):
        require_memory(START_UP + 1000, 1001, "selecting", "select less")


def group(folder, limit, current, active=0, inactive=0):
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(
        f"anon 5\nfile 900\ninactive_anon 3\nactive_anon 2\n"
        f"inactive_file {inactive}\nactive_file {active}\nslab 7\n"
    )
    return folder


def test_the_room_of_a_group_is_its_limit_less_what_it_uses(tmp_path):
    assert cgroup_room(group(tmp_path, 1000, 300)) == 700


def test_cached_files_make_room_when_it_is_needed(tmp_path):
    assert cgroup_room(group(tmp_path, 1000, 990, active=200, inactive=600)) == 810


def test_a_group_may_set_no_limit(tmp_path):
    assert cgroup_room(group(tmp_path, "max", 300)) is None
    assert cgroup_room(tmp_path / "nowhere") is None


@needs_proc
def test_arrays_are_anonymous_and_mapped_files_are_not(tmp_path):
    size = 64 << 20
    np.save(tmp_path / "mapped.npy", np.ones(size, np.uint8))
    before = anonymous_memory()
    mapped = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    assert int(mapped.sum(dtype=np.int64)) == size
    assert anonymous_memory() - before < size // 4
    array = np.ones(size, np.uint8)
    assert anonymous_memory() - before > size * 3 // 4
    assert peak_memory() > array.nbytes


@needs_proc
def test_start_up_is_what_the_libraries_take():
    """Above the truth, so that a plan holds; not twice the truth, so that it says something."""
    script = (
        "import torch, pyarrow.parquet, sklearn.linear_model, matplotlib.pyplot; "
        "from coreset_cli.device import anonymous_memory; print(anonymous_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True
    )
    assert START_UP / 2 < int(done.stdout) < START_UP
