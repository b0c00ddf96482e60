"""`select` with methods that read signals: of a probe, and of a file."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clouds import ids_of, points_of

from coreset_cli.artifacts.labels import make_labels
from coreset_cli.artifacts.signals import write_signals
from coreset_cli.selector import needs
from coreset_cli.training.probe import ProbeRecipe, train_probe

N = 120
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, N)
ROWS = (RNG.normal(size=(N, 5)) + 2 * np.eye(3, 5)[LABELS]).astype(np.float32)


def embeddings(path, order=None, labels=LABELS):
    order = np.arange(N) if order is None else order
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS[order].ravel()), 5)
    ids = [f"row {i}" for i in order]
    pq.write_table(pa.table({"id": ids, "label": labels[order], "embedding": column}), path)
    return path


def recorded(path, wanted=("dynamics", "early", "held_out", "last")):
    ids = [f"row {i}" for i in range(N)]
    labels = make_labels(pa.array(LABELS), "labels")
    signals = train_probe(
        points_of(ROWS, ids), ids_of(N, ids), labels, ProbeRecipe(), seed=0, needs=needs(*wanted)
    )
    write_signals(path, signals)
    return path


@pytest.fixture
def emb(tmp_path):
    return embeddings(tmp_path / "emb.parquet")


@pytest.mark.parametrize("method", ["el2n", "forgetting", "entropy", "cal", "deepfool"])
def test_a_probe_and_its_file_pick_the_same(method, emb, tmp_path, run_cli):
    signals = recorded(tmp_path / "signals.parquet")
    trained = run_cli("select", "-m", method, "-k", 9, emb)
    assert len(trained.rows) == 9
    assert run_cli("select", "-m", method, "-k", 9, emb, "--signals", signals).rows == trained.rows


def test_the_order_of_rows_changes_nothing(emb, tmp_path, run_cli):
    shuffled = embeddings(tmp_path / "shuffled.parquet", RNG.permutation(N))
    runs = [run_cli("select", "-m", "el2n", "-k", 9, path) for path in (emb, shuffled)]
    assert runs[0].digest == runs[1].digest


def test_the_manifest_says_where_signals_come_from(emb, tmp_path, run_cli):
    def told(*more):
        found = run_cli("select", "-m", "el2n", "-k", 5, emb, "--json", *more)
        return json.loads(found.out)["parameters"]["signals"]

    assert told()["probe"] == vars(ProbeRecipe())
    assert told("--signals", "probe:hidden=8,epochs=12")["probe"]["hidden"] == 8
    signals = recorded(tmp_path / "signals.parquet")
    by_file = told("--signals", signals)
    assert by_file["file"] == str(signals)
    assert len(by_file["content_digest"]) == 64


def test_a_method_without_signals_trains_nothing(emb, run_cli):
    found = run_cli("select", "-m", "random", "-k", 5, emb, "--json")
    assert json.loads(found.out)["parameters"]["signals"] is None


def test_what_cannot_be_is_refused(emb, tmp_path, run_cli):
    np.save(tmp_path / "rows.npy", ROWS)

    def refused(*arguments):
        found = run_cli("select", "-k", 5, *arguments)
        return found.code, found.err

    code, said = refused("-m", "el2n", tmp_path / "rows.npy")
    assert (code, "trained on labels" in said, "--label" in said) == (2, True, True)
    code, said = refused("-m", "gm", emb, "--signals", "probe")
    assert (code, "this one does not" in said) == (2, True)
    code, said = refused("-m", "el2n", emb, "--signals", "probe:hiden=3")
    assert (code, "did you mean hidden?" in said) == (2, True)
    assert refused("-m", "el2n", emb, "--signals", "nowhere.parquet")[0] == 2
    assert refused("-m", "el2n", emb, "--signals", emb)[0] == 3


def test_signals_of_other_labels_are_refused(tmp_path, run_cli):
    signals = recorded(tmp_path / "signals.parquet")
    other = embeddings(tmp_path / "other.parquet", labels=(LABELS + 1) % 3)
    found = run_cli("select", "-m", "el2n", "-k", 5, other, "--signals", signals)
    assert found.code == 3
    assert "other labels" in found.err


def test_signals_without_what_a_method_needs(emb, tmp_path, run_cli):
    some = recorded(tmp_path / "some.parquet", ("dynamics", "early", "last"))
    found = run_cli("select", "-m", "entropy", "-k", 5, emb, "--signals", some)
    assert found.code == 2
    assert "held out of training" in found.err


def test_the_dry_run_counts_the_training(emb, run_cli):
    found = run_cli("select", "-m", "cal", "-k", 5, emb, "--dry-run", "--json")
    plan = json.loads(found.out)
    assert plan["training_seconds"] > 0
    parts = ("opening", "reading", "training", "centre", "picking")
    assert plan["seconds"] == pytest.approx(sum(plan[f"{part}_seconds"] for part in parts))


def test_too_little_memory_is_said_before_training(emb, run_cli):
    found = run_cli("select", "-m", "el2n", "-k", 5, emb, "--max-memory", "100M")
    assert found.code == 4
