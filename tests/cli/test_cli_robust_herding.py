"""`robust-herding` and `trust` from the command line: judged, planned, told and replaced."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

N, WRONG = 600, 120


@pytest.fixture
def noisy(tmp_path):
    """Two blobs in `a.npy`, a fifth of their labels wrong in `labels.npy`; which are wrong."""
    rng = np.random.default_rng(0)
    classes = np.arange(N) % 2
    rows = 2 * rng.normal(size=(2, 8))[classes] + rng.normal(size=(N, 8))
    wrong = np.zeros(N, bool)
    wrong[rng.permutation(N)[:WRONG]] = True
    np.save(tmp_path / "a.npy", rows.astype(np.float32))
    np.save(tmp_path / "labels.npy", np.where(wrong, 1 - classes, classes))
    return tmp_path, wrong


def test_no_wrong_label_is_selected(run_cli, noisy):
    folder, wrong = noisy
    common = [folder / "a.npy", "-m", "robust-herding", "--count", "150"]
    result = run_cli("select", *common, "--label", folder / "labels.npy")
    assert len(result.rows) == 150
    assert not wrong[result.rows].any()
    pooled = run_cli("select", *common, "--label", folder / "labels.npy", "--balance", "none")
    assert not wrong[pooled.rows].any()
    assert pooled.rows != result.rows
    assert len(run_cli("select", *common).rows) == 150  # without labels


def test_trust_is_a_method_and_its_scores_are_kept(run_cli, noisy):
    folder, wrong = noisy
    out = folder / "trust.parquet"
    result = run_cli("select", folder / "a.npy", "--label", folder / "labels.npy", "-m", "trust",
                     "--count", N, "--output", out)  # fmt: skip
    assert result.code == 0, result.err
    table = pq.read_table(out)
    scores = table["score"].to_numpy()
    rows = table["id"].to_numpy()
    assert wrong[rows[scores < 0.5]].mean() > 0.97
    assert not wrong[rows[scores > 0.95]].any()


def test_a_table_replaces_the_judge(run_cli, noisy):
    """Its worst rows are not selected while there are others, right or wrong."""
    folder, wrong = noisy
    sound = np.where(np.arange(N) < 300, 0.99, 0.1)
    pq.write_table(pa.table({"id": np.arange(N), "p": sound}), folder / "sound.parquet")
    common = [folder / "a.npy", "--label", folder / "labels.npy", "-m", "robust-herding"]
    table = ["--signals", folder / "sound.parquet", "--set", "column=p"]
    result = run_cli("select", *common, "--count", 200, *table)
    assert max(result.rows) < 300
    assert wrong[result.rows].any()
    more = run_cli("select", *common, "--count", 400, *table)
    assert "fewer rows are trusted" in more.err
    missing = run_cli("select", *common, "--count", 9, "--set", "column=p")
    assert missing.code == 2
    assert "--signals FILE" in missing.err


def test_a_dry_run_plans_the_judge_too(run_cli, noisy):
    folder, _ = noisy
    arguments = [folder / "a.npy", "--label", folder / "labels.npy", "--count", "60", "--dry-run"]
    plans = {}
    for method in ("herding", "robust-herding", "trust"):
        result = run_cli("select", *arguments, "-m", method, "--json")
        assert result.code == 0, result.err
        plans[method] = json.loads(result.out)
    ours, plain = plans["robust-herding"], plans["herding"]
    assert ours["balance"] == "proportional"
    assert plans["trust"]["balance"] == "none"
    assert ours["bytes_to_read"] > plain["bytes_to_read"]
    assert ours["peak_memory"] > plain["peak_memory"] - (64 << 20)
    assert ours["centre_seconds"] > plain["centre_seconds"]


def test_evaluate_compares_it(run_cli, noisy):
    folder, wrong = noisy
    right = np.where(wrong, 1 - np.load(folder / "labels.npy"), np.load(folder / "labels.npy"))
    np.save(folder / "right.npy", right)
    result = run_cli("evaluate", "--train", folder / "a.npy", "--label", folder / "labels.npy",
                     "--test", folder / "a.npy", "--test-label", folder / "right.npy",
                     "-m", "robust-herding", "-m", "trust", "--ratio", "0.2",
                     "--seeds", "1", "--json")  # fmt: skip
    assert result.code == 0, result.err
    assert "robust-herding" in result.out
