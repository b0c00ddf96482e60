"""`select` stays within `--max-memory`, which is tested by a limit of the system that kills."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coreset_cli.device import START_UP

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")

LIMITED = """
import re, resource, sys
from coreset_cli.cli.app import run
import coreset_cli.commands.select, coreset_cli.kernels.compiled
import scipy.linalg  # numba loads it, and it reserves memory a thread

def amount(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) << 10

limit = int(sys.argv[1])
reserved = amount("VmData") - amount("RssAnon")
stacks = 32 << 20
allowed = limit + reserved + stacks
resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
sys.exit(run(["select", *sys.argv[2:], "--max-memory", str(limit)]))
"""
"""Run `select` where the system refuses memory beyond `--max-memory`. It counts what is reserved,
not what is used: so on top comes what libraries reserved before, and stacks of threads."""

SMALL_STACKS = ("sh", "-c", 'ulimit -S -s 1024; exec "$0" "$@"')
"""A thread reserves a stack of as many KiB, and uses little of it."""

N, D = 200_000, 384


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """200,000 rows of 146 MiB: far more than is left of 512 MiB beside the libraries."""
    path = tmp_path_factory.mktemp("memory") / "pool.npy"
    rows = np.random.default_rng(0).standard_normal((N // 4, D), np.float32).astype(np.float16)
    np.save(path, np.concatenate([rows, -rows, rows[::-1], rows * 2]))
    np.save(path.with_name("labels.npy"), np.arange(N) // 7 % 50)
    return path


def limited(limit, *arguments):
    """Rows picked under a hard limit on data."""
    done = subprocess.run(
        [*SMALL_STACKS, sys.executable, "-c", LIMITED, str(limit), *map(str, arguments), "-q"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},  # its own reserves a gigabyte
    )
    assert done.returncode == 0, done.stderr
    return [int(row) for row in done.stdout.split()]


def test_rows_that_do_not_fit_are_held_in_a_file_and_no_pick_changes(pool):
    options = ("-m", "gm", "-k", 60, pool)
    assert limited(START_UP + (48 << 20), *options) == limited(START_UP + (256 << 20), *options)


@pytest.mark.parametrize(
    "options",
    [
        ("-m", "k-center", "-k", 500),
        ("-m", "herding", "--set", "match=cosine", "-k", 60),
        ("-m", "gm", "--label", "labels.npy", "-k", 500),
    ],
    ids=["picks are held", "rounded twice", "per class"],
)
def test_the_limit_is_kept(pool, options):
    options = [str(pool.with_name(str(o))) if str(o).endswith(".npy") else o for o in options]
    assert len(limited(START_UP, *options, pool)) in {60, 500}


@pytest.mark.slow
def test_a_file_larger_than_the_limit(tmp_path):
    """Rounded it is larger as well: 600,000 × 512 values of two bytes."""
    path = tmp_path / "large.npy"
    rows = np.random.default_rng(0).standard_normal((30_000, 512), np.float32).astype(np.float16)
    large = np.lib.format.open_memmap(path, "w+", np.dtype(np.float16), (600_000, 512))
    for start in range(0, len(large), len(rows)):
        large[start : start + len(rows)] = rows
    large.flush()
    limit = START_UP + (64 << 20)
    assert path.stat().st_size > limit
    assert len(limited(limit, "-m", "gm", "-k", 3, path)) == 3


def test_the_dry_run_says_what_a_run_takes(run_process, pool):
    """Within a quarter; a copy of the rows would be a quarter, in single precision a half."""
    options = ("select", "-m", "gm", "-k", 20, pool, "--json")
    plan = json.loads(run_process(*options, "--dry-run").out)
    taken = json.loads(run_process(*options).out)["peak_memory"]
    assert taken <= plan["peak_memory"] <= 1.25 * taken


def test_below_what_is_needed_it_is_4_and_says_what_would_do(run_process, tmp_path):
    path = tmp_path / "long.npy"
    np.save(path, np.arange(2_000_000, dtype=np.float32)[:, None])
    refused = run_process("select", "-m", "gm", "-k", 2, path, "--max-memory", START_UP)
    assert (refused.code, refused.out) == (4, "")
    assert "selecting from 2000000 rows needs " in refused.err
    enough = re.search(r"--max-memory (\d+)M would do", refused.err)
    assert len(limited(int(enough[1]) << 20, "-m", "gm", "-k", 2, path)) == 2
