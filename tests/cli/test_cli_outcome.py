"""How runs end: one line on stderr, an exit code, and nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def emb(tmp_path, make_points):
    path = tmp_path / "emb.npy"
    np.save(path, make_points(60, 5, 0))
    return path


USAGE = {
    "unknown method": (["-m", "herdng", "-k", 5], "unknown method 'herdng'; did you mean herding?"),
    "unknown parameter": (["-k", 5, "--set", "gama=1"], "did you mean gamma?"),
    "impossible value": (["-k", 5, "--set", "match=cosin"], "did you mean cosine?"),
    "no equals sign": (["-k", 5, "--set", "match"], "--set takes name=value, not 'match'"),
    "unknown option": (["--metod", "gm"], "no such option: --metod; did you mean --method?"),
    "no budget": ([], "exactly one of --ratio (a share) and --count (rows)"),
    "two budgets": (["-k", 5, "-r", "0.1"], "exactly one of --ratio (a share) and --count (rows)"),
    "ratio 0": (["-r", "0"], "--ratio 0 is outside (0, 1]"),
    "ratio 1.5": (["-r", "1.5"], "--ratio 1.5 is outside (0, 1]"),
    "ratio -1": (["-r", "-1"], "--ratio -1 is outside (0, 1]"),
    "ratio a word": (["-r", "half"], "--ratio 'half' is no number"),
    "count 0": (["-k", 0], "ask for at least 1 row"),
    "count above n": (["-k", 61], "--count 61 is more than the 60 rows"),
    "count a word": (["-k", "ten"], "'--count' / '-k'"),
    "unknown device": (["-k", 5, "--device", "tpu"], "use auto, cpu, cuda or cuda:0"),
    "no amount": (["-k", 5, "--max-memory", "lots"], "write 8G or 512M"),
    "unknown balance": (["-k", 5, "--balance", "fair"], "'none', 'proportional', 'equal'"),
    "balance, no labels": (["-k", 5, "--balance", "equal"], "--label"),
    "no value": (["-k"], "'-k' requires an argument"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_words_are_2_and_one_line(run_cli, emb, case):
    arguments, message = USAGE[case]
    done = run_cli("select", emb, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1


def test_a_missing_input_is_2(run_cli, tmp_path):
    done = run_cli("select", "-k", 5, tmp_path / "nope.npy")
    assert (done.code, done.out) == (2, "")
    assert "nope.npy" in done.err


def test_no_input_at_all_is_2(run_cli):
    done = run_cli("select", "-k", 5)
    assert done.code == 2
    assert done.err == "error: missing argument 'EMB...'; see coreset select --help\n"


def test_an_unknown_command_is_2_and_the_nearest_is_named(run_cli):
    done = run_cli("selct")
    assert done.code == 2
    assert done.err == "error: no such command 'selct'. Did you mean 'select'?\n"


def test_without_a_command_the_help_is_on_stderr_and_2(run_cli):
    done = run_cli()
    assert (done.code, done.out) == (2, "")
    assert "select" in done.err


def test_nan_is_3_and_names_file_row_and_remedy(run_cli, tmp_path, make_points):
    points = make_points(60, 5, 0)
    points[[17, 40], 2] = np.nan
    path = tmp_path / "dirty.npy"
    np.save(path, points)
    done = run_cli("select", "-k", 5, path)
    assert (done.code, done.out) == (3, "")
    assert len(done.err.splitlines()) == 1
    assert "dirty.npy: row 17 and 1 more rows" in done.err
    assert "drop those rows" in done.err


def test_too_little_memory_to_start_is_4(run_cli, emb):
    done = run_cli("select", "-k", 5, emb, "--max-memory", "100M")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("error: 100 MiB of memory are fewer than the ")
    assert "--max-memory" in done.err


def test_a_device_that_is_not_there_is_4(run_cli, emb):
    done = run_cli("select", "-k", 5, emb, "--device", "cuda:99")
    assert (done.code, done.out) == (4, "")
    assert done.err == "error: no device cuda:99 on this machine; use --device cpu\n"


def test_a_bug_is_70_with_its_traceback_and_asks_for_a_report(emb):
    script = (
        "import sys; import coreset_cli.commands.select as command; "
        "command.choose = lambda *inputs: 1 / 0; "
        "from coreset_cli.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "select", "-k", "5", str(emb)],
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert (done.returncode, done.stdout) == (70, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Traceback")
    assert "ZeroDivisionError: division by zero" in lines
    assert lines[-1].startswith("error: this is a bug in coreset 0.")
    assert "report" in lines[-1]


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """Vectors that take minutes to select from."""
    path = tmp_path_factory.mktemp("long") / "many.npy"
    np.save(path, np.random.default_rng(0).normal(size=(40_000, 64)).astype(np.float32))
    return path


def wait_until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for five minutes")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_a_long_run_with_nothing_left(endless, tmp_path, number, code, word):
    """Its input is a pipe, so that a temporary copy is there to be left behind."""
    output, temporary = tmp_path / "out" / "keep.npy", tmp_path / "tmp"
    output.parent.mkdir()
    temporary.mkdir()
    arguments = ["select", "-m", "herding", "-r", "0.9", "-", "-o", output]
    with (
        subprocess.Popen(["cat", endless], stdout=subprocess.PIPE) as source,
        subprocess.Popen(
            [sys.executable, "-m", "coreset_cli", *map(str, arguments)],
            stdin=source.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
        ) as process,
    ):
        try:
            maps = Path(f"/proc/{process.pid}/maps")
            wait_until(lambda: str(temporary) in maps.read_text())  # the copy is there, and mapped
            process.send_signal(number)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert (process.returncode, out) == (code, "")
    assert err == f"error: {word}; nothing half-written is left\n"
    assert list(output.parent.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_a_signal_that_the_parent_ignores_is_ignored(emb):
    """As `nohup` and background jobs of a script do with an interrupt."""
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"trap '' INT; '{sys.executable}' -m coreset_cli select -k 5 '{emb}' & "
            "sleep 1; kill -INT $!; wait $!",
        ],
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 5


def test_handlers_of_signals_are_given_back(run_cli):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run_cli("--version").code == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
