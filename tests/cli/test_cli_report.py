"""What a person or a log sees of long work."""

import os
import pty
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from coreset_cli.cli.report import Watcher


def test_without_a_terminal_short_work_says_nothing(capsys):
    with Watcher(quiet=False).shown() as watch:
        for done in range(1000):
            watch("selecting", done + 1, 1000)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_without_a_terminal_long_work_says_a_line_now_and_then(capsys):
    start = time.monotonic()
    with Watcher(quiet=False, every=0.1).shown() as watch:
        while time.monotonic() - start < 0.35:
            watch("selecting", 500, 2000)
    most = (time.monotonic() - start) / 0.1
    out, err = capsys.readouterr()
    assert out == ""
    assert 1 <= len(err.splitlines()) <= most
    assert err.startswith("selecting: 500 of 2,000")


def test_many_short_stages_still_say_a_line(capsys):
    with Watcher(quiet=False, every=0.1).shown() as watch:
        for stage in range(20):
            watch(f"stage {stage}", 1, 1)
            time.sleep(0.01)
    assert 1 <= len(capsys.readouterr().err.splitlines()) < 20


def test_the_time_left_follows_the_pace(capsys):
    """Ten rows took 0.3 s, so the other 39,988 take 3,999 times as long: 20 minutes.

    Neither what came before the first row counts, nor rows that an earlier run has picked.
    """
    with Watcher(quiet=False, every=0.5).shown() as watch:
        watch("selecting", 0, 40_000)
        time.sleep(0.2)
        start = time.monotonic()
        watch("selecting", 2, 40_000)
        time.sleep(0.31)
        watch("selecting", 12, 40_000)
        elapsed = time.monotonic() - start
    (line,) = capsys.readouterr().err.splitlines()
    minutes = int(re.fullmatch(r"selecting: 12 of 40,000, about (\d+) min left", line)[1])
    assert minutes == pytest.approx(elapsed * 3_998.8 / 60, rel=0.1)


def test_quiet_is_quiet(capsys):
    with Watcher(quiet=True, every=0.0).shown() as watch:
        watch("selecting", 5, 10)
    assert capsys.readouterr().err == ""


@pytest.fixture(scope="module")
def seconds_of_work(tmp_path_factory):
    path = tmp_path_factory.mktemp("bar") / "many.npy"
    np.save(path, np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32))
    return path


def on_a_terminal(*arguments):
    """What a run writes to a terminal of 80 columns on stderr, and its stdout."""
    ours, theirs = pty.openpty()
    os.set_inheritable(theirs, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "coreset_cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return written.decode(), out.decode()


def test_on_a_terminal_a_bar_comes_and_goes(seconds_of_work):
    """One line of at most 80 columns, drawn again in place, erased at the end."""
    arguments = ["select", "-m", "k-center", "-k", 100, seconds_of_work]
    written, out = on_a_terminal(*arguments)
    assert len(out.splitlines()) == 100
    before, erase, after = written.rpartition("\x1b[2K")
    assert "selecting" in before
    assert re.search(r"/100 \d:\d\d:\d\d left", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", before))
    assert erase
    assert re.fullmatch(r"[0-9a-f]{64}\s*", after)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", before).replace("\r", "\n").splitlines()
    assert max(map(len, drawn)) <= 80


def test_quiet_on_a_terminal_shows_the_digest_alone(seconds_of_work):
    written, _ = on_a_terminal("select", "-m", "random", "-k", 5, seconds_of_work, "-q")
    assert re.fullmatch(r"[0-9a-f]{64}\r\n", written)
