import json
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.report import read_report


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(run_cli):
    def call(*arguments):
        return run_cli("evaluate", *arguments, "--device", "cpu", "--baselines", "full")

    return call


GROUPS = [("a", 100, 0), ("b", 60, 6), (None, 39, 26), ("tiny", 1, 1)]
"""Name, test rows, and how many of these a model of the training rows gets wrong."""


@pytest.fixture
def files(tmp_path):
    """Two classes that the first coordinate tells apart; a wrong test label is a wrong answer."""

    def write(name, label, sign, **columns):
        rows = np.stack([sign, np.zeros(len(sign))], 1).astype(np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 2)
        table = pa.table({"embedding": vectors, "label": label, **columns})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    sign = np.tile([-1, 1], 100)
    place = np.concatenate([[name] * rows for name, rows, _ in GROUPS])
    wrong = np.concatenate([np.arange(rows) < bad for _, rows, bad in GROUPS])
    label = np.where(wrong, sign < 0, sign > 0).astype(np.int64)
    order = np.random.default_rng(0).permutation(200)
    part = pa.array(place[order].tolist(), pa.string())
    test = write("test", label[order], sign[order], part=part, number=pa.array(np.arange(200)))
    kept = pa.array(["b"] * 10 + ["elsewhere"] * 6 + [None] * 4)
    train = write("train", np.tile([0, 1], 10), np.tile([-1, 1], 10), part=kept)
    return ["--train", train, "--test", test]


def test_groups_of_a_column_worked_by_hand(evaluate, files, tmp_path):
    got = evaluate(*files, "--groups", "part", "--json", "-o", tmp_path / "report.json")
    assert got.code == 0, got.err
    report = json.loads(got.out)
    (cell,) = report["cells"]
    found = cell["by_group"]
    assert (found["worst"], found["worst_rows"]) == ("null", 39)
    assert found["worst_accuracy"] == pytest.approx(13 / 39)
    assert found["mean"] == pytest.approx((1 + 54 / 60 + 13 / 39) / 3)  # one row is no group
    assert found["bottom_fifth"] == pytest.approx(13 / 39)  # 0.6 of the worst of three
    assert found["tail"] == pytest.approx((0 + 13) / 40)  # the one row, then the 39
    named = {group["name"]: group for group in found["groups"]}
    assert list(named) == ["a", "b", "tiny", "null"]
    assert [group["rows"] for group in named.values()] == [100, 60, 1, 39]
    assert [g["accuracy"] for g in named.values()] == pytest.approx([1, 0.9, 0, 13 / 39])
    assert [g["share"]["base"] for g in named.values()] == pytest.approx([0, 0.5, 0, 0.2])
    assert [g["share"]["kept"] for g in named.values()] == pytest.approx([0, 0.5, 0, 0.2])
    interval, spread = found["worst_interval"], 1.96 * np.sqrt(13 * 26 / 39**3)
    assert interval["low"] == pytest.approx(13 / 39 - spread, abs=0.03)
    assert interval["high"] == pytest.approx(13 / 39 + spread, abs=0.03)
    assert report["grouping"]["by"] == "column part"
    assert (report["grouping"]["groups"], report["grouping"]["counted"]) == (4, 3)
    assert got.err.count("39 of 200 test rows have no part") == 1
    assert got.err.count("1 of 4 groups have less than 1 %") == 1
    assert read_report(tmp_path / "report.json").cells[0].by_group.worst == "null"


def test_the_table_names_the_worst_group(evaluate, files):
    got = evaluate(*files, "--groups", "part")
    assert "33.3 (null)" in got.out
    assert "20.0 of 20.0" in got.out
    assert "groups of test rows by column part: 4, 3 of them count; assignment" in got.out
    plain = evaluate(*files)
    assert "group" not in plain.out
    (cell,) = json.loads(evaluate(*files, "--json").out)["cells"]
    assert cell["by_group"] is None


def test_the_share_kept_of_each_group(evaluate, files, run_cli):
    """Four rows of b and one of another group are kept, of a half and of 0.2."""
    train = files[1]
    keep = train.with_name("keep.txt")
    keep.write_text("0\n1\n2\n3\n16\n")
    got = evaluate(keep, *files, "--groups", "part", "--json")
    assert got.code == 0, got.err
    cell = json.loads(got.out)["cells"][0]
    shares = {group["name"]: group["share"] for group in cell["by_group"]["groups"]}
    assert shares["b"] == {"kept": 0.8, "base": 0.5}
    assert shares["null"] == {"kept": 0.2, "base": 0.2}


def test_a_gate_on_the_worst_group(evaluate, files):
    keep = files[1].with_name("keep.txt")
    keep.write_text("".join(f"{row}\n" for row in range(20)))

    def code(least, *more):
        got = evaluate(keep, *files, "--fail-under", f"worst-group={least}", *more)
        return got.code, got.err

    assert code(0.33, "--groups", "part")[0] == 0
    failed, said = code(0.34, "--groups", "part")
    assert failed == 1
    assert "worst-group 33.3 % of null (95 %" in said
    assert "is below the 34.0 % demanded" in said
    failed, said = code(0.3)
    assert failed == 2
    assert "--groups" in said


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("race", "no column of"),
        ("clusters", "clusters:K"),
        ("clusters:0", "1 to 200"),
        ("clusters:two", "1 to 200"),
        ("clusters:201", "1 to 200"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_wrong_words_are_refused(evaluate, files, groups, said, more):
    got = evaluate(*files, "--groups", groups, *more)
    assert got.code == 2
    assert said in got.err


def test_where_no_group_is_large_all_count(evaluate, files):
    got = evaluate(*files, "--groups", "number", "--json")
    assert got.code == 0, got.err
    report = json.loads(got.out)
    assert (report["grouping"]["groups"], report["grouping"]["counted"]) == (200, 200)
    assert "no group has 1 % of the test rows: all of them count" in got.err
    found = report["cells"][0]["by_group"]
    assert found["worst_accuracy"] == 0
    assert found["mean"] == pytest.approx(167 / 200)
    assert found["bottom_fifth"] == pytest.approx(found["tail"]) == pytest.approx(7 / 40)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([2, 10, None, 2]), ["2", "10", "null"]),
        (pa.array([0.5, float("nan"), 0.5, 0.25]), ["0.25", "0.5", "nan"]),
        (pa.array([True, False, None, None]), ["False", "True", "null"]),
        (pa.array(["null", None, "b", "b"]), ["b", "null", "(null)"]),
        (pa.array(["z", "y", "z", None]).dictionary_encode(), ["y", "z", "null"]),
        (pa.array([None] * 4, pa.int64()), ["null"]),
        (pa.array([b"x", b"y", b"x", b"x"]), ["b'x'", "b'y'"]),
    ],
)
def test_any_type_makes_groups(tmp_path, evaluate, values, names):
    rows = pa.FixedSizeListArray.from_arrays(pa.array([-1.0, 1, -1, 1], pa.float32()), 1)
    path = tmp_path / "few.parquet"
    pq.write_table(pa.table({"embedding": rows, "label": [0, 1, 0, 1], "of": values}), path)
    got = evaluate("--train", path, "--test", path, "--groups", "of", "--json")
    assert got.code == 0, got.err
    groups = json.loads(got.out)["cells"][0]["by_group"]["groups"]
    assert [group["name"] for group in groups] == names
    assert sum(group["rows"] for group in groups) == 4


def test_clusters_of_vectors_are_found_and_told(evaluate, tmp_path):
    """Three far directions; in one of them the class cannot be told."""
    draw = np.random.default_rng(0)
    cloud = np.arange(300) % 3
    label = draw.integers(0, 2, 300)
    rows = 5 * np.eye(3)[cloud] + 0.1 * draw.normal(size=(300, 3))
    known = np.where(cloud == 2, 0.0, 2.0 * label - 1)
    rows = np.hstack([rows, known[:, None]]).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 4)
    path = tmp_path / "clouds.parquet"
    pq.write_table(pa.table({"embedding": vectors, "label": label, "cloud": cloud}), path)

    def found(groups, *more):
        got = evaluate("--train", path, "--test", path, "--groups", groups, "--json", *more)
        assert got.code == 0, got.err
        report = json.loads(got.out)
        return report["grouping"], report["cells"][0]["by_group"]

    told, clusters = found("clusters:3")
    of_column, columns = found("cloud")
    assert clusters["worst"] == columns["worst"] == "2"  # clusters are numbered by their first id
    for name in ("worst_accuracy", "worst_interval", "mean", "bottom_fifth", "tail"):
        assert clusters[name] == columns[name]
    assert clusters["worst_accuracy"] < 0.8 < 0.99 < clusters["groups"][0]["accuracy"]
    assert clusters["worst_accuracy"] <= clusters["mean"]
    digest = sha256("".join(f"{number}\n" for number in cloud).encode()).hexdigest()
    assert told["assignment_digest"] == of_column["assignment_digest"] == digest
    assert (told["by"], told["seed"]) == ("clusters:3", 0)
    assert found("clusters:3", "--seed", "5")[0]["assignment_digest"] == digest


def test_clusters_of_pixels_for_networks(run_cli, tmp_path):
    """The groups are those of spherical k-means on normalised pixels, whichever network runs."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    from coreset_cli.artifacts.digits import load_digits
    from coreset_cli.commands.evaluation.data import open_data
    from coreset_cli.commands.evaluation.grouping import open_groups
    from coreset_cli.commands.evaluation.request import Request

    request = Request(
        train="digits:train", test="digits:test", model="convnet", methods={}, groups="clusters:3",
        baselines=("full",), device="cpu",
    )  # fmt: skip
    data = open_data(request)
    source = open_groups(request, data)
    assert source.memory(data) > 451 * 64 * 4
    grouped = source.grouped(data, lambda stage, done, total: None)
    assert np.bincount(grouped.test.codes).min() > 20
    pixels = load_digits("digits:test")[0].astype(float)
    pixels = (pixels - pixels.mean()) / pixels.std()
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    theirs = KMeans(3, n_init=10, random_state=0).fit(pixels).labels_
    assert adjusted_rand_score(grouped.test.codes, theirs) > 0.95
    got = run_cli(
        "evaluate", "--train", "digits:train", "--test", "digits:test", "--model",
        "convnet:width=8,depth=1", "--recipe", "quick:epochs=1", "-m", "random", "-k", 20,
        "--seeds", 2, "--baselines", "", "--groups", "clusters:3", "--json",
        "--device", "cpu", "-q",
    )  # fmt: skip
    assert got.code == 0, got.err
    report = json.loads(got.out)
    assert report["grouping"]["assignment_digest"] == grouped.test.digest()
    (cell,) = report["cells"]
    sizes = np.bincount(grouped.test.codes)
    groups = cell["by_group"]["groups"]
    total = sum(g["accuracy"] * size for g, size in zip(groups, sizes, strict=True)) / 451
    assert total == pytest.approx(cell["accuracy"])
    assert cell["by_group"]["worst_accuracy"] == min(group["accuracy"] for group in groups)
