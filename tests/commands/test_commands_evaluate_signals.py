"""`evaluate --method` for methods that read signals, and for those that give weights."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.commands.budget import Budget
from coreset_cli.commands.evaluate import Outputs, Request, evaluate
from coreset_cli.commands.evaluation.choosers import Chooser
from coreset_cli.commands.evaluation.data import open_data
from coreset_cli.commands.evaluation.draws import Choice, choose_all
from coreset_cli.selector import Picks, needs

N = 90
RNG = np.random.default_rng(0)
CLEAN = np.arange(N) % 3
NOISY = np.where(RNG.random(N) < 0.3, (CLEAN + 1) % 3, CLEAN)
ROWS = (RNG.normal(size=(N, 5)) + 2 * np.eye(3, 5)[CLEAN]).astype(np.float32)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def emb(tmp_path):
    path = tmp_path / "emb.parquet"
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 5)
    pq.write_table(pa.table({"embedding": column, "label": NOISY, "clean_label": CLEAN}), path)
    return path


@pytest.fixture
def cells(run_cli, emb):
    """Cells of a run, by name."""

    def call(*words, baselines=""):
        got = run_cli(
            "evaluate", "--train", emb, "--test", emb, "--test-label", "clean_label",
            "--baselines", baselines, "--device", "cpu", "-q", "--json", *words,
        )  # fmt: skip
        assert got.code == 0, got.err
        return {cell["name"]: cell for cell in json.loads(got.out)["cells"]}

    return call


def request_of(emb, methods, *, seeds=2, counts=(9,), **more):
    return Request(
        train=str(emb),
        test=str(emb),
        seeds=seeds,
        baselines=(),
        methods={name: {} for name in methods},
        budgets=tuple(Budget(count=k) for k in counts),
        **more,
    )


def digests(cell):
    return {seed: run["selection_digest"] for run in cell["runs"] for seed in run["seed"]}


def test_a_method_picks_as_select_does_whatever_stands_beside_it(cells, emb, run_cli):
    """Each seed has a probe of its own; one method needs no folds, one only folds, one both."""
    methods, batches = ("aum", "cal", "deepfool", "ccs", "elfs"), ("--signals", "probe:batch=16")
    words = [word for method in (*methods, "gm") for word in ("-m", method)]
    found = cells("-k", 30, "--seeds", 2, *words, *batches)
    for method in methods:
        for seed in range(2):
            alone = run_cli("select", "-m", method, "-k", 30, emb, "--seed", seed, *batches)
            assert digests(found[method])[seed] == alone.digest, (method, seed)
    assert digests(found["aum"])[0] != digests(found["aum"])[1]
    assert [run["seed"] for run in found["gm"]["runs"]] == [[0, 1]]


@pytest.mark.parametrize(
    ("methods", "probes"),
    [
        (("gm",), 0),
        (("aum", "el2n", "craig"), 1),  # dynamics, the early picture and the last
        (("aum", "cal", "entropy"), 2),  # no folds; folds alone
        (("aum", "cal", "deepfool"), 3),
        (("aum", "elfs"), 2),  # of labels; of clusters
    ],
)
def test_a_probe_serves_all_methods_and_budgets_of_a_seed(emb, methods, probes):
    ended = []

    def watch(stage, done, total):
        if stage.startswith("signals") and done == total:
            ended.append(stage)

    evaluate(request_of(emb, methods, counts=(6, 9, 12), device="cpu"), Outputs(), watch)
    assert sorted(ended) == sorted([f"signals, seed {seed}" for seed in range(2)] * probes)


def test_the_probe_learns_the_labels_that_are_trained_on(cells, emb, run_cli):
    noisy = digests(cells("-m", "el2n", "-k", 9, "--seeds", 1)["el2n"])[0]
    clean = digests(cells("-m", "el2n", "-k", 9, "--seeds", 1, "--label", "clean_label")["el2n"])[0]
    assert noisy != clean
    for label, digest in (("label", noisy), ("clean_label", clean)):
        assert run_cli("select", "-m", "el2n", "-k", 9, emb, "--label", label).digest == digest


def test_settings_of_the_probe_are_reported_and_decide(cells, run_cli, emb):
    words = ["evaluate", "--train", emb, "--test", emb, "-m", "aum", "-k", 9, "--json", "-q"]
    found = json.loads(run_cli(*words, "--signals", "probe:hidden=4,epochs=9").out)
    assert found["parameters"]["signals"]["aum"]["probe"]["hidden"] == 4
    assert found["parameters"]["signals"]["aum"]["probe"]["epochs"] == 9
    other = json.loads(run_cli(*words).out)
    assert other["parameters"]["signals"]["aum"]["probe"]["hidden"] == 0
    first, second = (digests(run["cells"][0]) for run in (found, other))
    assert first != second
    plain = json.loads(run_cli(*words[:5], "--baselines", "full", "--json", "-q").out)
    assert plain["parameters"]["signals"] == {}


def test_weights_train_the_model_as_those_of_a_file_do(cells, emb, run_cli, tmp_path):
    """The same rows with the same weights are one model: the second run finds it kept."""
    file, bare = tmp_path / "sel.parquet", tmp_path / "bare.npy"
    for path in (file, bare):
        assert run_cli("select", "-m", "gradmatch", "-k", 20, emb, "-o", path).code == 0
    assert np.ptp(pq.read_table(file)["weight"].to_numpy()) > 0.1
    direct = cells("-m", "gradmatch", "-k", 20, "--seeds", 1)["gradmatch"]
    found = cells(file, bare)
    assert found["sel"]["runs"][0]["cached"]
    assert not found["bare"]["runs"][0]["cached"]
    for key in ("accuracy", "to_median", "to_clean_mean"):
        assert direct[key] == found["sel"][key]
    assert direct["to_median"] != found["bare"]["to_median"]  # a weighted mean is another one


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """The first rows, with weights that are drawn, as two runs of a probe may give."""

    needs: ClassVar = needs()
    exact: ClassVar = True
    prefix: ClassVar = True

    def select(self, data, k, rng):
        return Picks(rows=np.arange(k), weights=1 + rng.draws("weights", data.key)[:k] % 2)


def test_equal_rows_with_other_weights_are_other_draws(emb):
    data = open_data(request_of(emb, ("random",), device="cpu"))
    choice = Choice(kind="method", chooser=Chooser(name="w", selector=Weighing()), k=1)
    (group,), _ = choose_all([choice], data, 12, lambda *told: None)
    assert len(group.draws) == 2  # a weight of 1 or of 2
    assert sorted(seed for draw in group.draws for seed in draw.seeds) == list(range(12))
    assert {float(draw.weights[0]) for draw in group.draws} == {1.0, 2.0}


def test_what_cannot_be_is_refused(emb, run_cli, tmp_path):
    def refused(*words):
        got = run_cli("evaluate", "--train", emb, "--test", emb, "-k", 9, "-q", *words)
        return got.code, got.err

    code, said = refused("-m", "gm", "--signals", "probe")
    assert (code, "none of those here" in said) == (2, True)
    code, said = refused("-m", "aum", "--signals", "probe:hiden=3")
    assert (code, "did you mean hidden?" in said) == (2, True)
    assert refused("-m", "aum", "--signals", "nowhere.parquet")[0] == 2
    assert refused("-m", "aum", "--signals", emb)[0] == 3
    assert refused("-m", "aum", "-m", "gm", "--signals", "probe:epochs=3")[0] == 0


def test_methods_rank_by_a_score_of_another_method_or_of_a_table(emb, run_cli, tmp_path):
    """The table is read once; what a score is made of is reported."""
    table = tmp_path / "scores.csv"
    table.write_text("id,good\n" + "".join(f"{i},{(7 * i) % N}\n" for i in range(N)))
    words = ["evaluate", "--train", emb, "--test", emb, "-k", 9, "--baselines", "", "-q", "--json"]
    words += ["-m", "topk", "--set", "topk.column=good", "-m", "ccs", "--signals", table]
    got = run_cli(*words, "--set", "ccs.column=good")
    assert got.code == 0, got.err
    found = json.loads(got.out)
    assert found["parameters"]["signals"] == {}
    assert found["parameters"]["scores"]["topk"]["column"] == "good"
    by_name = {cell["name"]: digests(cell) for cell in found["cells"]}
    for method in ("topk", "ccs"):
        alone = ["select", "-m", method, "--set", "column=good", "-k", 9, emb, "--signals", table]
        assert by_name[method][0] == run_cli(*alone).digest
    assert list(by_name["topk"]) == list(range(5))  # nothing is drawn: one model for all seeds
    assert run_cli(*words[:-1], "probe").code == 2


def test_the_dry_run_counts_the_probes(emb, run_cli):
    def plan(*methods):
        words = [word for method in methods for word in ("-m", method)]
        got = run_cli("evaluate", "--train", emb, "--test", emb, "-k", 9, "--dry-run", *words)
        done = run_cli(
            "evaluate", "--train", emb, "--test", emb, "-k", 9, "--dry-run", "--json", *words
        )
        return json.loads(done.out), got.out

    plain, said = plan("gm")
    assert (plain["signals_seconds"], "probes" in said) == (0, False)
    probed, said = plan("gm", "aum")
    assert probed["signals_seconds"] > 0
    assert "s of probes for their signals" in said


def test_memory_counts_the_hungriest_probe(tmp_path):
    """Vectors so wide and many that a probe's own copy is most of what is held."""
    n, d = 3000, 400
    path = tmp_path / "wide.npy"
    np.save(path, np.sin(np.arange(n * d, dtype=np.float32)).reshape(n, d))
    labels = tmp_path / "labels.npy"
    np.save(labels, np.arange(n) % 10)

    def choosing(*methods):
        labelled = {"label": str(labels), "test_label": str(labels)}
        return open_data(request_of(path, methods, device="cpu", **labelled)).choosing

    copy = 4 * n * d
    assert choosing("random") < copy
    assert copy < choosing("aum") < 5 * copy
    assert choosing("random", "aum", "cal") == max(choosing("aum"), choosing("cal"))


SMALL = ["evaluate", "--train", "digits:test", "--test", "digits:test", "--device", "cpu", "-q"]
SMALL += ["--model", "convnet:width=4,depth=1", "--recipe", "quick:epochs=1", "--baselines", ""]


def test_networks_train_on_what_a_probe_of_vectors_chooses(run_cli, tmp_path):
    """Labels of the images teach the probe; those beside the vectors stay out of it."""
    pixels, labels = tmp_path / "pixels.parquet", tmp_path / "labels.npy"
    assert run_cli("embed", "digits:test", "-o", pixels, "-q").code == 0
    np.save(labels, np.arange(451) % 3)
    words = ["-m", "el2n", "-m", "craig", "-k", 40, "--label", labels]
    got = run_cli(*SMALL, *words, "--embeddings", pixels, "--seeds", 2, "--json")
    assert got.code == 0, got.err
    for cell in json.loads(got.out)["cells"]:
        for seed in range(2):
            alone = ["select", "-m", cell["name"], "-k", 40, pixels, "--label", labels]
            assert digests(cell)[seed] == run_cli(*alone, "--seed", seed).digest


def test_weights_of_a_method_train_a_network_as_those_of_a_file_do(run_cli, tmp_path):
    pixels, file = tmp_path / "pixels.parquet", tmp_path / "sel.parquet"
    assert run_cli("embed", "digits:test", "-o", pixels, "-q").code == 0
    assert run_cli("select", "-m", "craig", "-k", 40, pixels, "-o", file).code == 0
    alone = [*SMALL, "--seeds", 1, "--json"]
    got = run_cli(*alone, "-m", "craig", "-k", 40, "--embeddings", pixels)
    assert got.code == 0, got.err
    direct = json.loads(got.out)["cells"][0]
    found = json.loads(run_cli(*alone, file).out)["cells"][0]
    assert found["runs"][0]["cached"]
    assert found["accuracy"] == direct["accuracy"]


def test_without_vectors_methods_read_a_recorded_network_or_are_refused(run_cli, tmp_path):
    recorded = tmp_path / "signals.parquet"
    full = [word if word != "" else "full" for word in SMALL]
    assert run_cli(*full, "--seeds", 1, "--record", recorded).code == 0
    words = ["-m", "el2n", "-k", 40, "--seeds", 2]
    refused = run_cli(*SMALL, *words)
    assert refused.code == 2
    assert "--signals FILE" in refused.err
    got = run_cli(*SMALL, *words, "--signals", recorded, "--json")
    assert got.code == 0, got.err
    (cell,) = json.loads(got.out)["cells"]
    assert len(set(digests(cell).values())) == 1  # the network was one run, whatever the seed
    alone = run_cli("select", "-m", "el2n", "-k", 40, "digits:test", "--signals", recorded)
    assert digests(cell)[0] == alone.digest
    plan = json.loads(run_cli(*SMALL, *words, "--signals", recorded, "--dry-run", "--json").out)
    assert plan["signals_seconds"] == 0
    lost = run_cli(*SMALL, "-m", "entropy", "-k", 9, "--signals", recorded)
    assert (lost.code, "held out of training" in lost.err) == (2, True)
    same = run_cli(*full, "--seeds", 1, *words, "--signals", recorded, "--record", recorded, "-f")
    assert (same.code, "lies in the input" in same.err) == (2, True)
