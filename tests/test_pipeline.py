"""From vectors to a judgement, each stage through the command line, on a data set made here."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

N, D = 240, 6


def write(path, vectors, labels, clean, ids):
    table = pa.table(
        {
            "id": ids,
            "label": labels,
            "clean_label": clean,
            "corruption": np.where(labels == clean, None, "labels").tolist(),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), D),
        }
    )
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three separate classes; every tenth training label is wrong, and the truth is recorded."""
    folder = tmp_path_factory.mktemp("pipeline")
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(3, D)
    for name in ("train", "test"):
        clean = rng.integers(0, 3, N)
        vectors = (centres[clean] + rng.normal(size=(N, D))).astype(np.float32)
        wrong = (np.arange(N) % 10 == 0) & (name == "train")
        labels = np.where(wrong, (clean + 1) % 3, clean)
        ids = [f"{name}/{i:04d}.png" for i in rng.permutation(N)]
        write(folder / f"{name}.parquet", vectors, labels, clean, ids)
    return folder


@pytest.fixture(autouse=True)
def _work_there(home, monkeypatch):
    monkeypatch.chdir(home)


def test_select_take_evaluate_info(run_cli, home):
    selected = run_cli("select", "-m", "random", "-r", "0.25", "train.parquet", "-o", "k.parquet")
    assert (selected.code, selected.out) == (0, "")
    keep = pq.read_table("k.parquet")
    assert len(keep) == N // 4
    assert keep["rank"].to_pylist() == list(range(N // 4))

    taken = run_cli("take", "k.parquet", "train.parquet", "-o", "subset.parquet")
    assert taken.code == 0, taken.err
    subset, train = pq.read_table("subset.parquet"), pq.read_table("train.parquet")
    assert subset["id"].to_pylist() == keep["id"].to_pylist()
    at = {name: row for row, name in enumerate(train["id"].to_pylist())}
    rows = [at[name] for name in subset["id"].to_pylist()]
    assert rows == keep["index"].to_pylist()
    for column in ("embedding", "label", "clean_label", "corruption"):
        assert subset[column].to_pylist() == train[column].take(rows).to_pylist()

    judged = run_cli(
        *("evaluate", "k.parquet", "--train", "train.parquet", "--test", "test.parquet"),
        *("--seeds", 2, "-o", "report.json", "--plot", "figure.png"),
    )
    assert judged.code == 0, judged.err
    report = json.loads((home / "report.json").read_text())
    cells = {cell["name"]: cell for cell in report["cells"]}
    assert set(cells) == {"k", "random", "full"}
    assert cells["full"]["k"] == N
    assert cells["k"]["k"] == cells["random"]["k"] == N // 4
    assert cells["k"]["runs"][0]["selection_digest"] == selected.digest
    wrong = train["label"].to_numpy() != train["clean_label"].to_numpy()
    truth = cells["k"]["truth"]["mislabelled"]
    assert truth["kept"] == pytest.approx(float(wrong[rows].mean())) != 0
    assert truth["base"] == pytest.approx(0.1)
    assert (home / "figure.png").read_bytes().startswith(b"\x89PNG")

    said = json.loads(run_cli("info", "k.parquet", "--strict", "--json").out)
    assert said["rows"] == N // 4
    assert said["manifest"]["selection_digest"] == selected.digest


def test_the_same_samples_in_another_order_are_the_same_selection(run_cli):
    """`random` is exact: its digest follows the ids, not the places in the file."""
    train = pq.read_table("train.parquet")
    pq.write_table(train.take(np.random.default_rng(1).permutation(N)), "shuffled.parquet")
    first, second = (
        run_cli("select", "-m", "random", "-r", "0.25", f"{name}.parquet")
        for name in ("train", "shuffled")
    )
    assert first.digest == second.digest
    assert first.rows != second.rows


def test_a_selection_of_shuffled_samples_is_taken_by_id(run_cli):
    train = pq.read_table("train.parquet")
    pq.write_table(train.take(np.random.default_rng(1).permutation(N)), "moved.parquet")
    run_cli("select", "-m", "random", "-k", 20, "train.parquet", "-o", "ids.parquet")
    done = run_cli("take", "ids.parquet", "moved.parquet", "-o", "moved-subset.parquet")
    assert done.code == 0, done.err
    expected = train.take(pq.read_table("ids.parquet")["index"])
    assert pq.read_table("moved-subset.parquet")["embedding"].to_pylist() == (
        expected["embedding"].to_pylist()
    )


def test_stages_meet_in_a_pipe(home):
    coreset = f"'{sys.executable}' -m coreset_cli"
    line = (
        f"cat train.parquet | {coreset} select -m random -k 20 - "
        f"| {coreset} take - train.parquet -o piped.parquet"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(pq.read_table(home / "piped.parquet")) == 20


@pytest.mark.parametrize("stage", ["take", "evaluate", "info"])
def test_half_a_selection_is_refused_by_the_next_stage(run_cli, home, stage):
    run_cli("select", "-m", "random", "-k", 20, "train.parquet", "-o", "whole.parquet", "-f")
    whole = (home / "whole.parquet").read_bytes()
    (home / "half.parquet").write_bytes(whole[: len(whole) // 2])
    done = run_cli(
        *{
            "take": ["take", "half.parquet", "train.parquet", "-o", "never.parquet"],
            "evaluate": [
                *("evaluate", "half.parquet", "--train", "train.parquet"),
                *("--test", "test.parquet"),
            ],
            "info": ["info", "half.parquet", "--strict"],
        }[stage]
    )
    assert done.code == 3
    assert "half.parquet" in done.err
    assert "Traceback" not in done.err
    assert not (home / "never.parquet").exists()


@pytest.mark.parametrize("stage", ["take", "evaluate"])
def test_a_selection_of_other_samples_is_refused(run_cli, home, stage):
    run_cli("select", "-m", "random", "-k", 20, "test.parquet", "-o", "other.parquet", "-f")
    done = run_cli(
        *{
            "take": ["take", "other.parquet", "train.parquet", "-o", "never.parquet"],
            "evaluate": [
                *("evaluate", "other.parquet", "--train", "train.parquet"),
                *("--test", "test.parquet"),
            ],
        }[stage]
    )
    assert done.code == 3
    assert "other.parquet" in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("error")]) == 1
    assert not (home / "never.parquet").exists()
