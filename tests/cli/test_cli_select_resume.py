"""`coreset select`, stopped by a signal and started again."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from coreset_cli.commands import select_memo

EAGER = """
import sys
from coreset_cli.commands import select_memo
select_memo.SECONDS = 0.0
from coreset_cli.cli.app import run
sys.exit(run(sys.argv[1:]))
"""
"""The command line, but every pick is kept."""

N, K = 1500, 500


@pytest.fixture
def cloud(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(N, 8)).astype(np.float32))
    np.save(tmp_path / "y.npy", rng.integers(0, 3, N))
    return tmp_path / "x.npy"


def stopped(arguments, folder, number):
    """Exit code of a run that is sent a signal when it has kept some picks, and its words."""
    child = subprocess.Popen(
        [sys.executable, "-c", EAGER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while not list(folder.glob("*.npz")) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert out == b""
    return child.returncode, err.decode()


@pytest.mark.parametrize(
    ("number", "code", "options"),
    [
        (signal.SIGINT, 130, ["-m", "k-center"]),
        (signal.SIGTERM, 143, ["-m", "gm", "--label", "y.npy"]),
        (signal.SIGKILL, -signal.SIGKILL, ["-m", "herding"]),
    ],
)
def test_a_second_run_goes_on(number, code, options, cloud, tmp_path, run_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, folder = tmp_path / "keep.npy", tmp_path / "keep.npy.partial"
    arguments = ["select", cloud, "-k", K, *options, "-o", out]
    ended, words = stopped(arguments, folder, number)
    assert ended == code, words
    assert not out.exists()
    again = run_cli(*arguments)
    assert again.code == 0, again.err
    done = re.search(rf"^continuing: ([\d,]+) of {K:,} picks are done$", again.err, re.MULTILINE)
    assert done is not None, again.err
    assert 0 < int(done[1].replace(",", "")) < K
    assert not folder.exists()
    whole = run_cli("select", cloud, "-k", K, *options)
    assert np.load(out).tolist() == whole.rows
    assert again.digest == whole.digest


def test_a_list_on_stdout_goes_on_from_a_folder(cloud, tmp_path, run_cli):
    folder = tmp_path / "job"
    arguments = ["select", cloud, "-k", K, "-m", "herding", "--checkpoint", folder]
    assert stopped(arguments, folder, signal.SIGTERM)[0] == 143
    other = run_cli(*arguments, "--seed", 1)
    assert other.code == 2
    assert "seed was 0, now it is 1" in other.err
    again = run_cli(*arguments)
    assert "continuing: " in again.err
    assert not folder.exists()
    assert again.rows == run_cli("select", cloud, "-k", K, "-m", "herding").rows


def test_a_run_that_is_quiet_says_nothing_of_it(cloud, tmp_path, run_cli, monkeypatch):
    monkeypatch.setattr(select_memo, "SECONDS", 0.0)
    out, folder = tmp_path / "keep.npy", tmp_path / "job"
    arguments = ["select", cloud, "-k", 40, "-m", "herding", "-q", "--checkpoint", folder]
    done = run_cli(*arguments, "-o", out)
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert not folder.exists()
    assert not out.with_name("keep.npy.partial").exists()
    folder.write_text("mine")
    refused = run_cli(*arguments)
    assert refused.code == 2
    assert folder.read_text() == "mine"
