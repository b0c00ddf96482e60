"""`select` with a method that takes no labels: of clusters, of their number, and of a file."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clouds import ids_of, points_of

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.artifacts.labels import make_labels
from coreset_cli.artifacts.signals import write_signals
from coreset_cli.commands.select_probe import FromProbe
from coreset_cli.commands.select_pseudo import FromPseudoLabels, clustering_of
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.kernels.clustering import SphericalKMeans, numbered_by_id
from coreset_cli.kernels.temi import Temi
from coreset_cli.methods.aum import Aum
from coreset_cli.methods.elfs import Elfs
from coreset_cli.selector import needs
from coreset_cli.training.probe import ProbeRecipe, train_probe

N = 120
RNG = np.random.default_rng(0)
BLOBS = np.arange(N) % 3
ROWS = (RNG.normal(size=(N, 5)) + 3 * np.eye(3, 5)[BLOBS]).astype(np.float32)
RECIPE = ProbeRecipe(epochs=12)
CLUSTERS = ("--set", "clusters=3")
WANTED = needs("dynamics", "early", "last")


def embeddings(path, labels=None, order=None):
    order = np.arange(N) if order is None else order
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS[order].ravel()), 5)
    found = {"id": [f"row {i}" for i in order], "embedding": column}
    pq.write_table(pa.table(found if labels is None else {**found, "label": labels[order]}), path)
    return path


@pytest.fixture
def bare(tmp_path):
    return embeddings(tmp_path / "bare.parquet")


@pytest.fixture
def elfs(run_cli):
    def call(*arguments, k=9):
        return run_cli("select", "-m", "elfs", "-k", k, *arguments, "--signals", "probe:epochs=12")

    return call


def test_rows_without_labels(bare, elfs):
    assert len(set(elfs(bare, *CLUSTERS).rows)) == 9


def test_the_order_of_rows_changes_nothing(bare, tmp_path, elfs):
    shuffled = embeddings(tmp_path / "shuffled.parquet", order=RNG.permutation(N))
    assert elfs(bare, *CLUSTERS).digest == elfs(shuffled, *CLUSTERS).digest


def test_of_labels_their_number_alone_is_read(bare, tmp_path, elfs):
    """Two namings of the classes, one of them all wrong: the picks are those without labels."""
    expected = elfs(bare, *CLUSTERS).rows
    for number, labels in enumerate((BLOBS, np.sort(BLOBS)[::-1])):
        labelled = embeddings(tmp_path / f"{number}.parquet", labels)
        assert elfs(labelled).rows == expected
        told = json.loads(elfs(labelled, "--json").out)["parameters"]
        assert (told["balance"], told["signals"]["pseudo_labels"]["clusters"]) == ("none", 3)
    assert elfs(labelled, "--set", "clusters=4").rows != expected


def test_classes_share_the_budget_where_it_is_asked_for(tmp_path, elfs):
    labelled = embeddings(tmp_path / "labelled.parquet", BLOBS)
    rows = elfs(labelled, "--balance", "equal").rows
    assert np.bincount(BLOBS[rows]).tolist() == [3, 3, 3]


def test_the_rows_are_those_of_a_probe_of_the_clusters(bare, tmp_path, elfs, run_cli):
    """k-means finds the blobs, by an independent definition: every row's nearest mean direction."""
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    codes = BLOBS
    for _ in range(30):
        means = np.stack([unit[codes == c].sum(0) for c in range(3)])
        codes = (unit @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(1)
    ids = [f"row {i}" for i in range(N)]
    margins = {}
    for name, order in {"as found": [0, 1, 2], "permuted": [2, 0, 1]}.items():
        labels = make_labels(pa.array(np.array(order)[codes]), "labels")
        signals = train_probe(
            points_of(ROWS, ids), ids_of(N, ids), labels, RECIPE, seed=0, needs=WANTED
        )
        write_signals(tmp_path / f"{name}.parquet", signals)
        margins[name] = signals.dynamics.margin_prob.astype(float).sum(1)
    assert margins["permuted"] == pytest.approx(margins["as found"], abs=1e-4)
    rows = elfs(bare, *CLUSTERS).rows
    assert set(rows) == set(np.argsort(margins["as found"])[36:45])
    labelled = embeddings(tmp_path / "labelled.parquet", np.sort(BLOBS))
    for name in margins:
        for rows_of in (bare, labelled):  # labels of the file are not those of the input
            signals = tmp_path / f"{name}.parquet"
            found = run_cli("select", "-m", "elfs", "-k", 9, rows_of, "--signals", signals)
            assert set(found.rows) == set(rows)


def test_temi_heads(bare, elfs):
    settings = ("--set", "clusterer=temi", "--set", "heads=1", "--set", "head_epochs=2")
    found = elfs(bare, *CLUSTERS, *settings, "--json")
    told = json.loads(found.out)["parameters"]["signals"]
    assert told["pseudo_labels"]["by"] == "Temi"
    assert (told["pseudo_labels"]["epochs"], told["probe"]["epochs"]) == (2, 12)


def test_evaluate_selects_the_same_rows(tmp_path, elfs, run_cli):
    """Beside a method whose probe is of the labels, and with the same seed."""
    labelled = embeddings(tmp_path / "labelled.parquet", BLOBS)
    words = ["--train", labelled, "--test", labelled, "-m", "aum", "-m", "elfs", "-k", 9]
    words += ["--signals", "probe:epochs=12", "--seeds", 1, "--baselines", "", "--no-cache"]
    found = run_cli("evaluate", *words, "--json")
    assert found.code == 0, found.err
    runs = {cell["name"]: cell["runs"] for cell in json.loads(found.out)["cells"]}
    assert runs["elfs"][0]["selection_digest"] == elfs(labelled).digest


def test_what_cannot_be_is_refused(bare, tmp_path, elfs):
    without = elfs(bare)
    assert (without.code, "--set clusters=N" in without.err) == (2, True)
    many = elfs(bare, "--set", f"clusters={N + 1}")
    assert (many.code, f"{N} rows cannot make {N + 1} clusters: there" in many.err) == (2, True)
    one = elfs(embeddings(tmp_path / "one.parquet", np.zeros(N, int)))
    assert (one.code, "1 clusters" in one.err) == (2, True)


def test_the_dry_run_counts_clusters_and_training(bare, elfs):
    few, many = (
        json.loads(
            elfs(bare, *CLUSTERS, "--dry-run", "--json", "--set", "clusterer=temi", *more).out
        )
        for more in ((), ("--set", "heads=100"))
    )
    assert 0 < few["training_seconds"] < many["training_seconds"]  # 25 times the heads
    weights = 5 * 512 + 512 + 512 * 256 + 256 + 256 * 3 + 3
    assert many["peak_memory"] - few["peak_memory"] > 90 * 20 * weights


def test_progress_is_told_as_one(bare):
    data = open_embeddings([str(bare)])
    by = Temi(neighbours=3, heads=1, epochs=1, batch=64, rate=1e-3)
    probe = FromProbe(recipe=ProbeRecipe(epochs=2), wanted=needs("dynamics"))
    source = FromPseudoLabels(by=by, clusters=3, probe=probe)
    told = []
    source.signals(data, points_of(ROWS), 0, lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_method_is_asked_inside_whatever_wraps_it():
    elfs = Elfs(clusters=7)
    for selector in (elfs, PerClass(method=elfs)):
        found = clustering_of(selector)
        assert found is not None
        assert (found.by, found.clusters) == (SphericalKMeans(), 7)
    assert clustering_of(PerClass(method=ByScore(method=Aum()))) is None


def test_clusters_are_numbered_by_their_smallest_id():
    rank = np.array([4, 0, 3, 1, 2])
    for codes in ([5, 2, 5, 0, 2], [1, 3, 1, 2, 3]):
        assert numbered_by_id(np.array(codes), rank).tolist() == [2, 0, 2, 1, 0]
