"""`select` maps its input: the memory it allocates stays within what `--dry-run` says."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coreset_cli.device import START_UP

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")

N, D = 50_000, 512


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "large.npy"
    np.save(path, np.random.default_rng(0).random((N, D), np.float32))
    return path


@pytest.fixture(scope="module")
def small(large):
    path = large.with_name("small.npy")
    np.save(path, np.load(large, mmap_mode="r")[:100])
    return path


def peak_of(path):
    """The most anonymous memory a run holds, sampled from outside."""
    peak = 0
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "coreset_cli",
            "select",
            "-m",
            "herding",
            "-k",
            "3",
            str(path),
            "-q",
        ],
        stdout=subprocess.DEVNULL,
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = re.search(r"^RssAnon:\s+(\d+) kB", status.read_text(), re.MULTILINE)
            peak = max(peak, int(found[1]) << 10 if found else 0)
            time.sleep(0.002)
    assert process.returncode == 0
    return peak


def test_peak_memory_is_within_the_plan(run_cli, large, small):
    """A copy of the vectors, of 98 MiB, would break the second bound."""
    done = run_cli("select", "-m", "herding", "-k", 3, large, "--dry-run", "--json")
    planned = json.loads(done.out)["peak_memory"]
    peak = peak_of(large)
    assert peak < planned
    assert peak - peak_of(small) < planned - START_UP < 1.2 * N * D * 4


def test_a_limit_between_start_up_and_the_plan_is_4_before_any_reading(run_cli, large):
    done = run_cli("select", "-k", 5, large, "--max-memory", START_UP + (8 << 20))
    assert (done.code, done.out) == (4, "")
    assert "selecting from 50000 rows needs " in done.err
    assert "--max-memory" in done.err


def test_the_limit_never_changes_a_pick(run_cli, small):
    planned = START_UP + (128 << 20)
    tight = run_cli("select", "-m", "gm", "-k", 20, small, "--max-memory", planned)
    assert tight.rows == run_cli("select", "-m", "gm", "-k", 20, small).rows
