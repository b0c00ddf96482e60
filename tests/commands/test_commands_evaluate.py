import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from coreset_cli.artifacts.report import read_report

DIGITS = ["--train", "digits:train", "--test", "digits:test"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(run_cli):
    def call(*arguments):
        return run_cli("evaluate", *arguments, "--device", "cpu", "-q")

    return call


@pytest.fixture
def clouds(tmp_path):
    """Two blobs, one fifth of the labels wrong, one tenth of the rows far away."""
    draw = np.random.default_rng(0)

    def write(name, n, wrong, far, ids=None):
        clean = np.arange(n) % 2
        rows = draw.normal(size=(n, 4)) + 2.0 * clean[:, None]
        label = np.where(np.arange(n) < wrong, 1 - clean, clean)
        rows[n - far :] += 50.0
        kinds = ["noise"] * (far // 2) + ["noise+blur"] * (far - far // 2)
        table = {
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), 4),
            "label": label,
            "clean_label": clean,
            "corruption": pa.array([None] * (n - far) + kinds, pa.string()),
        }
        if ids is not None:
            table["id"] = ids
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table(table), path)
        return path

    return write


def only(out, **wanted):
    cells = [c for c in json.loads(out)["cells"] if all(c[k] == v for k, v in wanted.items())]
    assert len(cells) == 1
    return cells[0]


def test_full_set_is_scored_as_scikit_learn_scores_it(evaluate):
    got = evaluate(*DIGITS, "--baselines", "full", "--json")
    assert got.code == 0, got.err
    cell = only(got.out, kind="full")
    from coreset_cli.artifacts.digits import load_digits

    train, labels = load_digits("digits:train")
    test, truth = load_digits("digits:test")
    spread = train.astype(float).std(0)
    scale = np.where(spread > 0, spread, 1)
    mean = train.astype(float).mean(0)
    model = LogisticRegression(C=cell["runs"][0]["cost"], max_iter=5000, tol=1e-8)
    model.fit((train - mean) / scale, labels["label"].to_numpy())
    right = model.predict((test - mean) / scale) == truth["label"].to_numpy()
    assert cell["accuracy"] == pytest.approx(right.mean(), abs=1 / len(right))
    per_class = [right[truth["label"].to_numpy() == c].mean() for c in range(10)]
    assert cell["worst_class"] == str(int(np.argmin(per_class)))
    assert cell["accuracy_interval"]["low"] < right.mean() < cell["accuracy_interval"]["high"]


def test_grid_has_baselines_at_every_budget_and_trains_a_seedless_method_once(evaluate):
    got = evaluate(
        *DIGITS, "-m", "herding", "-m", "random", "-r", "0.05", "-k", "100", "--seeds", 2, "--json"
    )
    assert got.code == 0, got.err
    for k in (67, 100):
        assert [r["seed"] for r in only(got.out, k=k, name="herding")["runs"]] == [[0, 1]]
        random = only(got.out, k=k, kind="random")
        assert [r["seed"] for r in random["runs"]] == [[0], [1]]
        accuracies = [r["accuracy"] for r in random["runs"]]
        assert random["accuracy"] == pytest.approx(np.mean(accuracies))
        herding = only(got.out, k=k, name="herding")
        assert herding["gain"] == pytest.approx(herding["accuracy"] - random["accuracy"])
        full = only(got.out, kind="full")
        assert herding["relative"] == pytest.approx(herding["accuracy"] / full["accuracy"])
        same = only(got.out, k=k, kind="method", name="random")
        assert same["gain"] == 0
        assert same["gain_interval"] is None


def test_fidelity_is_the_weighted_mean_over_the_budgets(evaluate):
    got = evaluate(*DIGITS, "-m", "easy", "-k", 50, "-k", 300, "--seeds", 1, "--json")
    record = json.loads(got.out)
    full = only(got.out, kind="full")["accuracy"]
    cells = [only(got.out, name="easy", k=k) for k in (50, 300)]
    weights = np.exp([-50 / 1346, -300 / 1346])
    expected = (weights * [c["accuracy"] for c in cells]).sum() / weights.sum() / full
    assert record["fidelity"]["easy"] == pytest.approx(expected)
    assert set(record["fidelity"]) == {"easy", "random"}


def test_file_scores_as_the_method_that_wrote_it(evaluate, run_cli, tmp_path):
    out = tmp_path / "sel.parquet"
    assert run_cli("select", "-m", "herding", "-k", 60, "digits:train", "-o", out).code == 0
    got = evaluate(out, *DIGITS, "-m", "herding", "-k", 60, "--seeds", 2, "--json")
    assert got.code == 0, got.err
    file, method = only(got.out, kind="file"), only(got.out, kind="method")
    assert file["name"] == "sel"
    assert file["runs"][0]["selection_digest"] == method["runs"][0]["selection_digest"]
    for key in ("accuracy", "gain", "gain_interval", "balance", "to_median"):
        assert file[key] == method[key]


def test_weights_of_a_selection_train_the_model(evaluate, run_cli, tmp_path):
    out = tmp_path / "sel.parquet"
    run_cli("select", "-m", "random", "-k", 40, "digits:train", "-o", out)
    table = pq.read_table(out)
    heavy = pa.array(np.where(np.arange(40) < 4, 1000.0, 0.001), pa.float32())
    table = table.set_column(table.column_names.index("weight"), "weight", heavy)
    weighted = tmp_path / "weighted.parquet"
    pq.write_table(table, weighted)
    got = evaluate(out, weighted, *DIGITS, "--baselines", "", "--json")
    assert got.code == 0, got.err
    plain, heavy = only(got.out, name="sel"), only(got.out, name="weighted")
    assert heavy["accuracy"] < plain["accuracy"] - 0.1
    assert heavy["to_median"] != pytest.approx(plain["to_median"])


def test_truth_is_held_against_the_rows_kept(evaluate, clouds, tmp_path):
    train, test = clouds("train", 100, 20, 10), clouds("test", 60, 0, 0)
    rows = [0, 5, 30, 40, 90, 95, 99]
    (tmp_path / "sel.txt").write_text("".join(f"{row}\n" for row in rows))
    got = evaluate(tmp_path / "sel.txt", "--train", train, "--test", test, "--json")
    assert got.code == 0, got.err
    cell = only(got.out, kind="file")
    truth = cell["truth"]
    assert truth["corrupted"] == {"kept": pytest.approx(3 / 7), "base": 0.1}
    assert truth["by_type"]["noise"] == {"kept": pytest.approx(3 / 7), "base": 0.1}
    assert truth["by_type"]["blur"] == {"kept": pytest.approx(2 / 7), "base": 0.05}
    assert truth["mislabelled"] == {"kept": pytest.approx(2 / 7), "base": 0.2}
    assert truth["clean_recall"] == pytest.approx(2 / 7)
    vectors = np.array(pq.read_table(train)["embedding"].to_pylist())
    expected = np.linalg.norm(vectors[rows].mean(0) - vectors[20:90].mean(0))
    assert cell["to_clean_mean"] == pytest.approx(expected)
    median = vectors.mean(0)
    for _ in range(500):
        weight = 1 / np.linalg.norm(vectors - median, axis=1)
        median = weight @ vectors / weight.sum()
    expected = np.linalg.norm(vectors[rows].mean(0) - median)
    assert cell["to_median"] == pytest.approx(expected, rel=1e-4)


def test_selection_joins_by_id_whatever_the_order_of_the_file(evaluate, clouds, run_cli, tmp_path):
    ids = [f"s{i:03d}" for i in range(100)]
    train, test = clouds("train", 100, 20, 10, ids), clouds("test", 60, 0, 0)
    out = tmp_path / "sel.parquet"
    run_cli("select", "-m", "herding", "-k", 20, train, "-o", out)
    order = np.random.default_rng(1).permutation(100)
    moved = tmp_path / "moved.parquet"
    pq.write_table(pq.read_table(train).take(order), moved)
    one = evaluate(out, "--train", train, "--test", test, "--json")
    two = evaluate(out, "--train", moved, "--test", test, "--json")
    assert two.code == 0, two.err
    first, second = (only(got.out, kind="file") for got in (one, two))
    assert first["accuracy"] == second["accuracy"]
    assert first["truth"] == second["truth"]
    first, second = (only(got.out, kind="random") for got in (one, two))
    assert first["accuracy"] == second["accuracy"]


def test_report_figure_and_gates_are_written_before_the_run_fails(evaluate, tmp_path):
    report, figure = tmp_path / "r.json", tmp_path / "f.png"
    gates = ["--fail-under", "accuracy=0.999", "--fail-under", "gain-over-random=0.5"]
    got = evaluate(
        *DIGITS, "-m", "easy", "-k", 50, "--seeds", 1, "-o", report, "--plot", figure, *gates
    )
    assert got.code == 1
    errors = [line for line in got.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert "accuracy" in errors[0]
    assert "95 %" in errors[1]
    assert figure.read_bytes()[:4] == b"\x89PNG"
    found = read_report(report)
    assert [gate.passed for gate in found.gates] == [False, False]
    assert "easy" in got.out
    assert (evaluate(*DIGITS, "--baselines", "full", "-o", report)).code == 2
    assert read_report(report) == found


def test_gate_that_holds_is_a_success(evaluate):
    got = evaluate(*DIGITS, "-m", "herding", "-k", 200, "--seeds", 1, "--fail-under", "relative=.5")
    assert got.code == 0, got.err


def test_what_does_not_beat_random_is_said(evaluate):
    got = evaluate(
        *DIGITS, "-m", "hard", "-m", "moderate", "-k", 100, "--seeds", 2, "--baselines", "random"
    )
    assert got.code == 0
    assert "\nworse than random: hard at 100 rows" in got.out
    assert "\nno better than random: moderate at 100 rows" in got.out
    assert "of full" not in got.out.splitlines()[0]


def test_same_file_for_both_and_proxy_data_are_said(run_cli):
    got = run_cli(
        "evaluate", "--train", "digits:test", "--test", "digits:test", "--baselines", "full",
        "--proxy-data", "clean",
    )  # fmt: skip
    assert got.code == 0
    assert "rows they trained on" in got.err
    assert "proxy data: clean" in got.out


def test_test_classes_that_training_lacks_are_counted_wrong(run_cli, clouds, tmp_path):
    train, test = clouds("train", 100, 0, 0), clouds("test", 60, 0, 0)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join("-1\n" if i < 15 else f"{i % 2}\n" for i in range(60)))
    got = run_cli(
        "evaluate", "--train", train, "--test", test, "--test-label", labels,
        "--baselines", "full", "--json",
    )  # fmt: skip
    assert got.code == 0, got.err
    assert "15 of 60 test rows are counted as wrong" in got.err
    cell = only(got.out, kind="full")
    assert 0.5 < cell["accuracy"] <= 0.75
    assert (cell["worst_class"], cell["worst_accuracy"]) == ("-1", 0.0)


def test_label_names_the_column_of_both_files(evaluate, clouds):
    train, test = clouds("train", 100, 40, 0), clouds("test", 60, 25, 0)
    both = ["--train", train, "--test", test, "--baselines", "full", "--json"]
    noisy = only(evaluate(*both).out, kind="full")["accuracy"]
    clean = only(evaluate(*both, "--label", "clean_label").out, kind="full")["accuracy"]
    assert clean > noisy + 0.2


def test_dry_run_counts_models_and_writes_nothing(evaluate, tmp_path):
    report = tmp_path / "r.json"
    got = evaluate(
        *DIGITS, "-m", "gm", "-r", "0.1", "--seeds", 3, "--dry-run", "--json", "-o", report
    )
    plan = json.loads(got.out)
    assert (plan["cells"], plan["trainings"], plan["baseline_trainings"]) == (3, 7, 4)
    assert plan["largest"] == 1346
    assert not report.exists()
    assert not (tmp_path / "cache").exists()


BAD = {
    "ratio without a method": (["-r", "0.1"], 2, "--method"),
    "method without a ratio": (["-m", "gm"], 2, "--ratio"),
    "unknown gate": (["-m", "gm", "-k", 9, "--fail-under", "acuracy=1"], 2, "mean accuracy"),
    "gate without a number": (["-m", "gm", "-k", 9, "--fail-under", "accuracy"], 2, "share"),
    "gate without a baseline": (
        ["-m", "gm", "-k", 9, "--fail-under", "relative=1", "--baselines", "random"],
        2,
        "--baselines full",
    ),
    "gate without a result": (["--fail-under", "accuracy=0.5"], 2, "none is given"),
    "no seeds": (["--seeds", "0"], 2, "at least 1"),
    "too many rows": (["-m", "gm", "-k", 5000], 2, "1346"),
    "unknown method": (["-m", "herdng", "-k", 9], 2, "did you mean herding"),
    "signals of nothing": (["-m", "gm", "-k", 9, "--signals", "probe"], 2, "none of those here"),
    "unknown parameter": (["-m", "gm", "-k", 9, "--set", "gm.mach=l2"], 2, "did you mean match"),
    "parameter of nothing": (
        ["-m", "gm", "-m", "herding", "-k", 9, "--set", "x=1"],
        2,
        "gm, herding",
    ),
    "parameter of a method not run": (["-m", "gm", "-k", 9, "--set", "easy.x=1"], 2, "easy"),
    "unknown baseline": (["--baselines", "rnadom"], 2, "did you mean random"),
    "unknown model": (["--model", "forest"], 2, "linear"),
    "unknown recipe": (["--recipe", "forest"], 2, "linear"),
    "picture of no kind": (["--plot", "x.txt"], 2, ".png"),
    "missing index list": (["nothing.parquet"], 2, "nothing.parquet"),
    "nothing at all": (["--baselines", "random"], 2, "nothing to evaluate"),
    "no memory": (["--max-memory", "560M"], 4, "--max-memory"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_request_names_the_remedy(evaluate, case):
    arguments, code, part = BAD[case]
    got = evaluate(*arguments, *DIGITS)
    assert got.code == code
    assert part in got.err
    assert not got.out


def test_other_widths_missing_labels_and_other_ids_are_bad_data(
    evaluate, clouds, run_cli, tmp_path
):
    train, test = clouds("train", 100, 0, 0), clouds("test", 60, 0, 0)
    got = evaluate("--train", train, "--test", "digits:test")
    assert (got.code, "width 64" in got.err) == (3, True)
    bare = tmp_path / "bare.npy"
    np.save(bare, np.zeros((5, 4), np.float32))
    got = evaluate("--train", bare, "--test", test)
    assert (got.code, "--label" in got.err) == (2, True)
    got = evaluate("--train", train, "--test", bare)
    assert (got.code, "--test-label" in got.err) == (2, True)
    out = tmp_path / "sel.parquet"
    run_cli("select", "-k", 20, train, "-o", out)
    got = evaluate(out, "--train", test, "--test", test)
    assert (got.code, "60 rows" in got.err) == (3, True)
    out.write_bytes(out.read_bytes()[:300])
    got = evaluate(out, "--train", train, "--test", test)
    assert (got.code, str(out) in got.err) == (3, True)


def test_real_noise_is_seen_and_methods_beat_random(evaluate, real_data):
    files = [
        real_data / f"embeddings/cifar10n-mobilenetv2-1280-{part}.parquet"
        for part in ("train10k", "test2k")
    ]
    got = evaluate(
        "--train", files[0], "--test", files[1], "--label", "worse_label", "--test-label",
        "clean_label", "-m", "herding", "-k", 200, "--seeds", 1, "--baselines", "random", "--json",
    )  # fmt: skip
    cell = only(got.out, kind="method")
    assert cell["truth"]["mislabelled"]["base"] == pytest.approx(0.41, abs=0.005)
    assert cell["gain_interval"]["low"] > 0
