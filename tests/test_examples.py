import csv
import importlib
import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coreset_cli.artifacts.digits import load_digits
from coreset_cli.seeds import Rng

SCRIPTS = Path(__file__).parent.parent / "examples"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


def assert_figure(path):
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[1] == 2400
    assert pixels[..., :3].std() > 0.05


# protocols §5: shares of corrupted picks on this cloud, measured with other draws, 5 seeds
REFERENCE = {
    ("easy", 0.2): 0.00,
    ("easy", 0.45): 0.00,
    ("hard", 0.2): 0.99,
    ("hard", 0.45): 0.15,
    ("herding", 0.2): 0.00,
    ("herding", 0.45): 0.29,
    ("herding dot", 0.2): 0.35,
    ("herding dot", 0.45): 0.54,
    ("gm l2", 0.2): 0.00,
    ("gm l2", 0.45): 0.05,
    ("gm dot", 0.2): 0.25,
    ("gm dot", 0.45): 0.38,
    ("gm cosine", 0.45): 0.95,
}


def test_toy_finds_the_shares_of_corrupted_picks_that_were_measured_before(script, tmp_path):
    table = script("toy").main(tmp_path, seeds=2)
    assert_figure(tmp_path / "toy.png")
    for (method, share), expected in REFERENCE.items():
        assert table[method, share].corrupted == pytest.approx(expected, abs=0.08), (method, share)
    for share in (0.2, 0.45):
        assert table["gm l2", share].corrupted < share / 2
        assert table["gm l2", share].error < table["herding", share].error


def test_the_toy_cloud_is_the_one_described(script):
    toy = script("toy")
    clean, none = toy.cloud(0.0, Rng(1))
    dirty, bad = toy.cloud(0.45, Rng(1))
    assert not none.any()
    assert bad.sum() == 450
    assert np.array_equal(clean[~bad], dirty[~bad])
    long_axis = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    short_axis = np.array([-long_axis[1], long_axis[0]])
    expected = 4 * np.outer(long_axis, long_axis) + np.outer(short_axis, short_axis)
    assert np.cov(clean.T) == pytest.approx(expected, abs=0.35)
    assert clean.mean(0) == pytest.approx(np.zeros(2), abs=0.2)
    assert dirty[bad].mean(0) == pytest.approx(np.full(2, 8.0), abs=0.1)
    assert np.cov(dirty[bad].T) == pytest.approx(np.eye(2) / 4, abs=0.06)


def test_theory_matching_falls_as_one_over_k_and_the_median_stands_until_one_half(script, tmp_path):
    slopes = script("theory").main(tmp_path, rate_seeds=2, share_seeds=1)
    assert_figure(tmp_path / "theory.png")
    assert -0.65 < slopes["random"] < -0.35
    assert slopes["herding"] < -0.8
    assert slopes["gm l2"] < -0.8
    with (tmp_path / "theory.csv").open() as file:
        rows = list(csv.reader(file))
    start = next(i for i, row in enumerate(rows) if row[:1] == ["ψ"])
    shares = np.array(rows[start][1:], float)
    distances = {name: np.array(values, float) for name, *values in rows[start + 1 :]}
    assert distances["mean of all rows"] == pytest.approx(10 * shares, abs=0.02)
    below = shares < 0.5
    for robust in ("geometric median", "gm l2"):
        bound = 2 * (1 - shares[below]) / (1 - 2 * shares[below])
        assert (distances[robust][below] < bound).all()
        assert (distances[robust][shares <= 0.4] < 1).all()
        assert (distances[robust][~below] > 9).all()
    assert distances["herding"] == pytest.approx(10 * shares, abs=0.3)


def test_draws_follow_the_row_and_have_the_right_distribution(script):
    arrays = script("_arrays")
    few, many = (arrays.normals(Rng(3), "x", n, 2) for n in (50, 20_000))
    assert np.array_equal(few, many[:50])
    assert many.mean(0) == pytest.approx([0, 0], abs=0.03)
    assert np.cov(many.T) == pytest.approx(np.eye(2), abs=0.05)
    inside = (np.abs(many) < 1).mean()
    assert inside == pytest.approx(0.6827, abs=0.01)


@pytest.mark.slow
def test_noisy_digits_judges_every_method_under_every_corruption(script, tmp_path):
    digits = script("noisy_digits")
    table = digits.main(tmp_path, seeds=1, ratios=("0.05", "0.1"), workers=2)
    assert_figure(tmp_path / "noisy_digits.png")
    assert len(table) == 4 * (8 * 2 + 1)
    assert len((tmp_path / "noisy_digits.csv").read_text().splitlines()) == len(table) + 1
    assert all(c.low <= c.accuracy <= c.high for c in table.values())
    assert all(c.corrupted == 0 for key, c in table.items() if key[0] == "clean")

    def corrupted(condition, method):
        return table[condition, method, "0.1"].corrupted

    assert corrupted("20 % far cluster", "gm l2") < 0.1
    assert corrupted("20 % far cluster", "hard") > 0.9
    for share in (0.2, 0.45):
        condition = f"{share:.0%} wrong labels".replace("%", " %")
        assert corrupted(condition, "random") == pytest.approx(share, abs=0.12)
        assert corrupted(condition, "easy") < corrupted(condition, "gm l2") < share
        assert table[condition, "gm l2", "0.1"].gain > 0
        assert table[condition, "hard", "0.1"].gain < -0.3
    # another process found the same numbers
    alone = {(r.method, r.ratio): r for r in digits.trial(("20 % far cluster", 0, ("0.1",)))}
    for method in ("all rows", *digits.METHODS):
        ratio = "1" if method == "all rows" else "0.1"
        cell, result = table["20 % far cluster", method, ratio], alone[method, ratio]
        assert cell.accuracy == pytest.approx(result.correct.mean())
        assert cell.corrupted == pytest.approx(result.corrupted)


def test_noisy_digits_all_clean_rows_score_as_scikit_learn_does(script):
    digits = script("noisy_digits")
    train, test = (load_digits(f"digits:{part}") for part in ("train", "test"))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    model.fit(train[0], train[1]["label"].to_numpy())
    expected = model.predict(test[0]) == test[1]["label"].to_numpy()
    found = digits.trial(("clean", 0, ("0.05",)))[0]
    assert found.method == "all rows"
    assert (found.correct == expected).mean() > 0.99


def test_wrong_labels_are_exactly_so_many_and_never_right(script):
    digits = script("noisy_digits")
    labels = np.arange(1346) % 10
    rows = digits.Rows(np.zeros((1346, 2)), labels, np.zeros(1346, bool))
    dirty = digits.wrong_labels(rows, Rng(4), 0.45)
    assert dirty.bad.sum() == 606  # 605.7 rounded
    assert np.array_equal(dirty.labels != labels, dirty.bad)
    steps = np.bincount((dirty.labels - labels)[dirty.bad] % 10, minlength=10)
    assert scipy.stats.chisquare(steps[1:]).pvalue > 0.001


def test_the_far_cluster_is_ten_radii_away_and_tight(script):
    arrays = script("_arrays")
    clean = arrays.normals(Rng(0), "some cloud", 500, 16) * 3 + 7
    dirty, bad = arrays.far_cluster(clean, 0.2, Rng(5))
    assert bad.sum() == 100
    assert np.array_equal(dirty[~bad], clean[~bad])
    mean = clean[~bad].mean(0)
    radius = np.median(np.linalg.norm(clean[~bad] - mean, axis=1))
    assert np.linalg.norm(dirty[bad] - mean, axis=1) == pytest.approx(10 * radius, rel=0.05)
    spread = np.linalg.norm(dirty[bad] - dirty[bad].mean(0), axis=1)
    assert spread.mean() == pytest.approx(0.1 * radius, rel=0.1)


def test_grid_intervals_hold_the_spread_of_test_rows_and_pair_the_gains(script):
    grid = script("_grid")
    right = np.arange(400) < 320
    both = [("random", right), ("same", right), ("other", ~right)]
    results = [
        grid.Result("c", method, "0.1", correct, 0.25) for method, correct in both for _ in range(3)
    ]
    table = grid.summarised(results)
    random, same, other = (table["c", method, "0.1"] for method, _ in both)
    width = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert random.high - random.low == pytest.approx(width, rel=0.1)
    assert (random.accuracy, same.gain, random.corrupted) == (0.8, 0, 0.25)
    assert np.isnan(same.gain_low)
    assert other.gain == pytest.approx(-0.6)
    assert other.gain_high - other.gain_low == pytest.approx(2 * width, rel=0.1)


def test_noisy_digits_scores_as_coreset_evaluate_does(script, run_cli):
    names = ("easy", "herding", "k-center")
    options = [part for name in names for part in ("--method", name)]
    options += ["--ratio", "0.05", "--seeds", "1", "--baselines", "full", "--no-cache", "--json"]
    done = run_cli("evaluate", "--train", "digits:train", "--test", "digits:test", *options)
    assert done.code == 0, done.err
    expected = {cell["name"]: cell["accuracy"] for cell in json.loads(done.out)["cells"]}
    found = script("noisy_digits").trial(("clean", 0, ("0.05",)))
    scores = {result.method: result.correct.mean() for result in found}
    assert {name: scores[name] for name in names} == pytest.approx(
        {name: expected[name] for name in names}
    )
    assert scores["all rows"] == pytest.approx(expected["full"])


def test_contact_sheet_shows_every_kind_of_damage_in_both_profiles(script, tmp_path):
    rows = script("contact_sheet").main(tmp_path)
    assert_figure(tmp_path / "contact_sheet.png")
    for label, original, damaged in rows:
        assert len(damaged) == 5
        for kind, image in damaged.items():
            assert image.shape == original.shape
            assert not np.array_equal(image, original), (label, kind)
    fogs = {label.splitlines()[-1]: damaged["fog"] for label, _, damaged in rows}
    assert fogs["mds-release"].max() == 0 < fogs["standard"].min()


@pytest.mark.slow
def test_the_chain_runs_through_every_stage_and_goes_on_where_it_stopped(
    script, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))
    chain = script("chain")
    recipe = "quick:epochs=2,batch=64"
    setting = chain.Setting(
        proxy="convnet:width=8", recipe=recipe, retrain=recipe, conditions=("dirty",)
    )
    chain.main(tmp_path, setting)
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines if line[:1] and line[0] in {*chain.METHODS, "random"}] == [
        *chain.METHODS,
        "random",
    ] * 2
    report = json.loads((tmp_path / "dirty.lenet.json").read_text())
    corrupted = [cell["truth"]["corrupted"] for cell in report["cells"]]
    assert all(share["base"] == pytest.approx(0.52, abs=0.02) for share in corrupted)
    assert {cell["k"] for cell in report["cells"]} == {269}
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("dirty*")}
    chain.main(tmp_path, setting)
    assert capsys.readouterr().out == "".join(
        line for line in out.splitlines(keepends=True) if not line[:60].isalnum()
    )
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.glob("dirty*")}


def test_gpu_engine_measures_the_device_that_is_here_once(script, tmp_path):
    engine, arrays = script("gpu_engine"), script("_arrays")
    large, small = engine.Size(3000, 16, 200), engine.Size(500, 8, 60)
    found = engine.main(tmp_path, large, small)
    assert found["alike"]["same"]
    assert found == engine.main(tmp_path, large, small)  # nothing was timed again
    assert found == json.loads((tmp_path / "gpu_engine.json").read_text())
    stages = ["read", "read and round", "median", "gm", "k-center"]
    assert list(found["measured"]["seconds"]) == stages
    assert all(seconds > 0 for seconds in found["measured"]["seconds"].values())
    within = found["within classes"]
    assert within["classes"] == 3
    assert all(within[method]["same"] for method in engine.METHODS)
    rows = np.load(tmp_path / "rows-3000x16.npy")
    data = arrays.embeddings_of("rows", rows, None)
    for method in engine.METHODS:
        picks = arrays.pick(method, data, 200, Rng(0))
        assert found["measured"]["digests"][method] == engine.digest(picks)


def test_signals_of_a_loop_of_one_s_own_tell_wrong_labels_from_right_ones(script, tmp_path, capsys):
    shares = script("record_signals").main(tmp_path)
    assert shares["all rows"] == pytest.approx(0.2, abs=0.001)
    assert shares["keep=high"] < 0.01
    assert shares["keep=low"] > 0.9
    assert "coreset select" in capsys.readouterr().out
