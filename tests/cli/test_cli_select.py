"""`coreset select` as a user types it: streams, formats, prefixes, digests."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

COMMAND = f"'{sys.executable}' -m coreset_cli"


@pytest.fixture
def emb(tmp_path, make_points):
    path = tmp_path / "emb.npy"
    np.save(path, make_points(60, 5, 0))
    return path


def shell(line, **env):
    """Run a line of bash as it stands: its exit code is that of the first command that failed."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **env},
    )


def test_stdout_has_one_row_number_a_line(run_cli, emb):
    done = run_cli("select", "-m", "herding", "-r", "0.1", emb)
    assert done.code == 0
    assert len(done.rows) == len(set(done.rows)) == 6
    assert set(done.rows) <= set(range(60))


def test_the_best_row_comes_first(run_cli, tmp_path):
    """On a line: the mean of 0, 1, 2, 6, 16 is 5; row 3 is nearest to it, row 4 farthest."""
    path = tmp_path / "line.npy"
    np.save(path, np.array([[0.0], [1.0], [2.0], [6.0], [16.0]]))
    assert run_cli("select", "-m", "herding", "-k", 1, path).rows == [3]
    assert run_cli("select", "-m", "easy", "-k", 5, path).rows == [3, 2, 1, 0, 4]


@pytest.mark.parametrize("method", ["gm", "herding", "k-center", "easy", "random"])
def test_a_prefix_is_the_smaller_selection(run_cli, emb, method):
    large = run_cli("select", "-m", method, "-k", 20, emb).rows
    small = run_cli("select", "-m", method, "-k", 7, emb).rows
    assert large[:7] == small


def test_the_digest_is_what_sha256sum_says_of_stdout(run_cli, emb):
    done = run_cli("select", "-m", "random", "-k", 9, emb)
    assert done.digest == hashlib.sha256(done.out.encode()).hexdigest()


def test_quiet_leaves_the_digest_alone_on_stderr(run_cli, emb):
    loud = run_cli("select", "-m", "random", "-k", 9, emb)
    quiet = run_cli("select", "-m", "random", "-k", 9, emb, "-q")
    assert quiet.err == loud.digest + "\n"
    assert quiet.out == loud.out


def test_quiet_silences_warnings(run_cli, tmp_path):
    path = tmp_path / "zero.npy"
    np.save(path, np.vstack([np.zeros((1, 3)), np.eye(3)]))
    assert "warning: 1 of 4 rows are all zero" in run_cli("select", "-k", 2, path).err
    assert "warning" not in run_cli("select", "-k", 2, path, "-q").err


def test_sorted_by_index_the_rows_ascend_and_the_digest_stays(run_cli, emb):
    ranked = run_cli("select", "-m", "random", "-k", 9, emb)
    sorted_ = run_cli("select", "-m", "random", "-k", 9, "--sort", "index", emb)
    assert sorted_.rows == sorted(ranked.rows) != ranked.rows
    assert sorted_.digest == ranked.digest


def test_json_is_one_object_with_the_rows(run_cli, emb):
    plain = run_cli("select", "-m", "herding", "-k", 5, emb)
    done = run_cli("select", "-m", "herding", "-k", 5, "--json", emb)
    record = json.loads(done.out)
    assert record["rows"] == plain.rows
    assert record["method"] == "herding"
    assert record["count"] == 5
    assert record["selection_digest"] == done.digest == plain.digest


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".json", ".parquet"])
def test_outputs_hold_the_rows_of_stdout(run_cli, emb, tmp_path, suffix):
    rows = run_cli("select", "-m", "herding", "-k", 5, emb).rows
    path = tmp_path / f"keep{suffix}"
    done = run_cli("select", "-m", "herding", "-k", 5, emb, "-o", path)
    assert (done.code, done.out) == (0, "")
    read = {
        ".npy": lambda: np.load(path),
        ".txt": lambda: np.loadtxt(path, dtype=np.int64),
        ".json": lambda: np.array(json.loads(path.read_text())["rows"]),
        ".parquet": lambda: np.array(pq.read_table(path)["index"]),
    }[suffix]()
    assert read.dtype == np.int64
    assert read.tolist() == rows


def test_json_beside_an_output_gives_both(run_cli, emb, tmp_path):
    path = tmp_path / "keep.npy"
    done = run_cli("select", "-m", "herding", "-k", 5, emb, "-o", path, "--json")
    assert json.loads(done.out)["rows"] == np.load(path).tolist()


def test_an_output_that_is_there_is_kept_until_forced(run_cli, emb, tmp_path):
    path = tmp_path / "keep.txt"
    path.write_text("mine")
    refused = run_cli("select", "-k", 5, emb, "-o", path)
    assert refused.code == 2
    assert refused.err == f"error: {path} is there already; use --force to replace it\n"
    assert path.read_text() == "mine"
    assert run_cli("select", "-k", 5, emb, "-o", path, "--force").code == 0
    assert len(path.read_text().split()) == 5


def test_a_format_without_a_file_is_refused(run_cli, emb):
    done = run_cli("select", "-k", 5, emb, "--format", "npy")
    assert done.code == 2
    assert "--output" in done.err


def test_stdin_is_an_input(run_cli, emb):
    named = run_cli("select", "-m", "k-center", "-k", 5, emb)
    piped = run_cli("select", "-m", "k-center", "-k", 5, "-", stdin=emb.read_bytes())
    assert (piped.code, piped.rows) == (0, named.rows)


def test_a_pipe_in_and_a_checksum_out(emb):
    done = shell(f"cat '{emb}' | {COMMAND} select -m gm -r 0.2 - | sha256sum")
    assert done.returncode == 0
    assert done.stdout.split()[0] == done.stderr.splitlines()[-1]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("flag", ["", "--json"])
def test_a_closed_pipe_is_a_success(tmp_path, unbuffered, flag):
    path = tmp_path / "many.npy"
    np.save(path, np.ones((30_000, 1), np.float32))
    done = shell(
        f"{COMMAND} select -m random -r 1 {flag} '{path}' | head -1", PYTHONUNBUFFERED=unbuffered
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stderr.splitlines()) == 1  # the digest and nothing else


def test_help_into_a_closed_pipe_is_a_success():
    done = shell(f"{COMMAND} select --help | true", PYTHONUNBUFFERED="1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_of_stderr_that_leaves_does_not_stop_the_work(emb, tmp_path):
    path = tmp_path / "keep.txt"
    done = shell(f"{COMMAND} select -m random -r 1 '{emb}' -o '{path}' 2>&1 | true")
    assert done.returncode == 0
    assert len(path.read_text().split()) == 60


def test_without_stdout_or_stderr_the_file_is_written(emb, tmp_path):
    path = tmp_path / "keep.txt"
    done = shell(f"{COMMAND} select -m random -r 1 '{emb}' -o '{path}' >&- 2>&-")
    assert done.returncode == 0
    assert len(path.read_text().split()) == 60


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_no_bug(emb):
    done = shell(f"{COMMAND} select -m random -r 1 '{emb}' > /dev/full")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: no space left while writing stdout")


def test_a_dry_run_writes_nothing_and_counts_right(run_cli, emb, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = run_cli(
        "select", "-m", "random", "-r", "0.1", emb, "-o", tmp_path / "k.npy", "--dry-run", "--json"
    )
    plan = json.loads(done.out)
    assert done.code == 0
    assert sorted(tmp_path.iterdir()) == before
    assert (plan["rows"], plan["width"], plan["dtype"], plan["count"]) == (60, 5, "float32", 6)
    assert plan["bytes_to_read"] == 60 * 5 * 4  # random reads the rows once, to check them
    assert plan["seconds"] >= 0


def test_a_dry_run_for_a_person_says_that_nothing_was_written(run_cli, emb):
    done = run_cli("select", "-r", "0.1", emb, "--dry-run")
    assert "60 rows × 5 float32" in done.out
    assert done.out.endswith("nothing was written\n")


def test_a_dry_run_of_more_picks_reads_more(run_cli, emb):
    few, many = (
        json.loads(run_cli("select", "-m", "k-center", "-k", k, emb, "--dry-run", "--json").out)
        for k in (5, 50)
    )
    assert many["bytes_to_read"] > few["bytes_to_read"]


def test_real_vectors_select_by_class_in_proportion(run_cli, real_data):
    """Banking77: 77 unequal classes, a tenth of each, to within one row (Webster's rule)."""
    path = real_data / "embeddings" / "banking77-model2vec-128.parquet"
    done = run_cli("select", "-m", "random", "-r", "0.1", path, "--json")
    labels = pq.read_table(path, columns=["label"])["label"].to_numpy()
    kept = np.bincount(labels[json.loads(done.out)["rows"]], minlength=77)
    assert np.abs(kept - 0.1 * np.bincount(labels)).max() < 1


def test_the_input_is_never_the_output(run_cli, emb, tmp_path):
    labels = tmp_path / "labels.npy"
    np.save(labels, np.zeros(len(np.load(emb)), np.int64))
    before = [emb.read_bytes(), labels.read_bytes()]
    for file in (emb, labels):
        words = ["-m", "random", "-k", 3, emb, "--label", labels, "-o", file, "--force"]
        got = run_cli("select", *words)
        assert (got.code, "lies in the input" in got.err) == (2, True), got.err
    assert [emb.read_bytes(), labels.read_bytes()] == before
