"""`distill` as a process: interrupted and continued."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

ITERATIONS = 60


@pytest.mark.slow
def test_interrupted_and_continued_it_is_one_run(tmp_path, run_cli):
    def words(name):
        model = ("--model", "convnet:width=4,depth=1", "--iterations", ITERATIONS)
        return ["distill", "digits:train", "-m", "dm", "--ipc", 1, *model, "-o", tmp_path / name]

    typed = [sys.executable, "-m", "coreset_cli", *map(str, words("syn.parquet"))]
    environment = {**os.environ, "CORESET_DISTILL_CHECKPOINT_EVERY": "1"}
    process = subprocess.Popen(typed, stderr=subprocess.PIPE, env=environment)
    partial = tmp_path / "syn.parquet.partial"
    until = time.monotonic() + 300
    while not (partial / "state.npz").exists() and time.monotonic() < until:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert b"keeps what is done; the same command continues there" in told
    assert not (tmp_path / "syn.parquet").exists()
    ended = run_cli(*words("syn.parquet"), "--json")
    assert ended.code == 0, ended.err
    manifest = json.loads(ended.out)
    assert manifest["facts"]["iterations"] == ITERATIONS
    assert any("continued after outer iteration" in line for line in manifest["warnings"])
    assert not partial.exists()
    assert run_cli(*words("one.parquet"), "-q").digest == manifest["content_digest"]
