import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.commands.evaluation.cache import Cache, Outcome

DIGITS = ["evaluate", "--train", "digits:train", "--test", "digits:test", "--json", "-q"]
SMALL = [*DIGITS, "-m", "random", "-k", 30, "--seeds", 2, "--baselines", ""]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def runs(got):
    assert got.code == 0, got.err
    return [run for cell in json.loads(got.out)["cells"] for run in cell["runs"]]


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_second_run_trains_nothing_and_says_the_same(run_cli, folder):
    first, second = runs(run_cli(*SMALL)), runs(run_cli(*SMALL))
    assert [run["cached"] for run in first] == [False, False]
    assert [run["cached"] for run in second] == [True, True]
    assert [run["accuracy"] for run in first] == [run["accuracy"] for run in second]
    assert len(files(folder)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"cost": ', '"cost": 1'),
        lambda text: "[]",
    ],
)
def test_damaged_file_is_trained_and_written_again(run_cli, folder, damage):
    runs(run_cli(*SMALL))
    whole = [path.read_text() for path in files(folder)]
    for path in files(folder):
        path.write_text(damage(path.read_text()))
    assert [run["cached"] for run in runs(run_cli(*SMALL))] == [False, False]
    again = [json.loads(path.read_text())["outcome"]["predicted"] for path in files(folder)]
    assert again == [json.loads(text)["outcome"]["predicted"] for text in whole]


def test_no_cache_neither_reads_nor_writes(run_cli, folder):
    runs(run_cli(*SMALL, "--no-cache"))
    assert not folder.exists()
    runs(run_cli(*SMALL))
    assert [run["cached"] for run in runs(run_cli(*SMALL, "--no-cache"))] == [False, False]


def test_folder_that_cannot_be_written_is_a_warning(run_cli, tmp_path, monkeypatch):
    taken = tmp_path / "taken"
    taken.write_text("")
    monkeypatch.setenv("CORESET_CACHE_DIR", str(taken))
    got = run_cli(*[word for word in SMALL if word != "-q"])
    assert got.code == 0
    assert "CORESET_CACHE_DIR" in got.err


def test_other_labels_are_trained_anew(run_cli, folder, tmp_path):
    draw = np.random.default_rng(0)

    def write(label):
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 3)
        pq.write_table(pa.table({"embedding": rows, "label": label}), tmp_path / "e.parquet")

    vectors, label = draw.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    arguments = ["evaluate", "--train", tmp_path / "e.parquet", "--test", tmp_path / "e.parquet"]
    arguments += ["--baselines", "full", "--json", "-q"]
    write(label)
    assert [run["cached"] for run in runs(run_cli(*arguments))] == [False]
    write(1 - label)
    assert [run["cached"] for run in runs(run_cli(*arguments))] == [False]
    assert [run["cached"] for run in runs(run_cli(*arguments))] == [True]


def test_key_tells_rows_weights_and_context_apart():
    rows, weights = np.arange(4), np.ones(4)
    cache, other = Cache(None, {"train": "a"}, 3), Cache(None, {"train": "b"}, 3)
    keys = [
        cache.key(rows, None),
        cache.key(rows[:3], None),
        cache.key(rows, weights),
        cache.key(rows, 2 * weights),
        other.key(rows, None),
    ]
    assert len(set(keys)) == len(keys)


def test_outcome_of_another_test_file_is_ignored(tmp_path):
    outcome = Outcome(predicted=np.array([1, 0]), cost=0.1, converged=True, seconds=1.0)
    assert Cache(tmp_path, {}, 2).put("aa", outcome) is None
    found = Cache(tmp_path, {}, 2).get("aa")
    assert found.predicted.tolist() == [1, 0]
    assert Cache(tmp_path, {}, 3).get("aa") is None


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_interrupt_ends_the_models_in_work(tmp_path):
    rows = np.random.default_rng(0).normal(size=(12000, 600)).astype(np.float32)
    classes = np.arange(12000) % 50
    rows[np.arange(12000), classes] += 3  # so much to learn that large values of C are tried
    np.save(tmp_path / "e.npy", rows)
    labels = tmp_path / "labels.npy"
    np.save(labels, classes)
    command = [sys.executable, "-m", "coreset_cli", "evaluate", "--baselines", "full"]
    command += ["--train", str(tmp_path / "e.npy"), "--test", str(tmp_path / "e.npy")]
    command += ["--label", str(labels), "--test-label", str(labels), "--no-cache"]
    command += ["-o", str(tmp_path / "r.json")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ)) as child:
        try:
            maps = Path(f"/proc/{child.pid}/maps")
            while "e.npy" not in maps.read_text():
                time.sleep(0.1)
            time.sleep(5)  # from reading to training
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 130, err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.npy", "labels.npy"]
