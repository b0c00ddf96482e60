"""Synthetic sets in `evaluate`, as a user names them: as the training file, and as results."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sets import of_bytes, written

from coreset_cli.artifacts.image_rows import IMAGE
from coreset_cli.artifacts.pictures import open_pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.artifacts.synthetic import read_synthetic
from coreset_cli.io.image import encode_png

SMALL = ["--test", "digits:test", "--device", "cpu", "--model", "convnet:width=8,depth=1"]
QUICK = ["--recipe", "quick:epochs=3", "--seeds", "1"]
REAL = [*SMALL, *QUICK, "--train", "digits:train"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def digits():
    """[20, 8, 8, 1] the first two images of each digit, their classes and row numbers."""
    pictures = open_pictures(["digits:train"])
    codes = pictures.labels.codes
    rows = np.concatenate([np.flatnonzero(codes == digit)[:2] for digit in range(10)])
    values = load_pixels(pictures, channels=None, size=None, rows=rows).values
    return values, codes[rows], rows


@pytest.fixture
def syn(digits, tmp_path):
    values, codes, _ = digits
    return written(tmp_path / "syn.parquet", of_bytes(values, codes))


@pytest.fixture
def evaluate(run_cli):
    def call(*arguments):
        return run_cli("evaluate", *arguments, "--json")

    return call


def cells(got):
    assert got.code == 0, got.err
    return {cell["name"]: cell for cell in json.loads(got.out)["cells"]}


def images(path, rows):
    """Some digits as a file of images."""
    pictures = open_pictures(["digits:train"])
    values = load_pixels(pictures, channels=None, size=None, rows=rows).values
    stored = [{"bytes": encode_png(value), "path": None} for value in values]
    labels = pictures.labels.codes[rows]
    pq.write_table(pa.table({"image": pa.array(stored, IMAGE), "label": labels}), path)
    return path


def accuracy_of(checkpoint, side=8):
    """Of a saved network on the test digits, normalised by what its card says."""
    import torch

    from coreset_cli.training.checkpoint import load_checkpoint

    network, card = load_checkpoint(checkpoint)
    test = open_pictures(["digits:test"])
    values = load_pixels(test, channels=1, size=(side, side)).values.transpose(0, 3, 1, 2)
    with torch.no_grad():
        logits = network(torch.from_numpy((values / 255 - card.mean[0]) / card.std[0]).float())
    return (logits.argmax(1).numpy() == test.labels.codes).mean(), card


# --- as the training file


def test_a_synthetic_set_is_a_data_set_like_any_other(evaluate, syn, tmp_path):
    model = tmp_path / "model.pt"
    words = [*SMALL, "--recipe", "dc:epochs=60", "--seeds", 1]
    got = evaluate("--train", syn, *words, "--save-model", model)
    cell = cells(got)["full"]
    assert (cell["k"], cell["share"], cell["factor"]) == (20, 1.0, 1)
    assert cell["accuracy"] > 0.3
    accuracy, card = accuracy_of(model)
    assert accuracy == pytest.approx(cell["accuracy"], abs=0.005)
    assert (card.mean, card.std) == (pytest.approx((0.3,)), pytest.approx((0.375,)))
    assert card.train["path"] == str(syn)
    manifest = json.loads(pq.read_schema(syn).metadata[b"coreset"])
    assert json.loads(got.out)["train"]["content_digest"] == manifest["content_digest"]


@pytest.mark.parametrize("model", ["lenet", "resnet18:width=4"])
def test_it_trains_other_architectures(evaluate, syn, model):
    words = ["--train", syn, *SMALL, *QUICK, "--model", model, "--recipe", "dsa:epochs=2"]
    assert cells(evaluate(*words))["full"]["k"] == 20


def test_its_rows_are_selected_from_like_any_others(evaluate, run_cli, syn, tmp_path):
    keep = tmp_path / "keep.parquet"
    assert (
        run_cli("select", "-m", "random", "-k", 10, syn, "--column", "pixels", "-o", keep).code == 0
    )
    found = cells(evaluate(keep, "--train", syn, *SMALL, *QUICK, "-m", "random", "-k", 5))
    assert {name: cell["k"] for name, cell in found.items()} == {
        "keep": 10,
        "random": 10,
        "full": 20,
    }


def test_training_is_on_the_pixels_and_not_on_the_picture(evaluate, digits, tmp_path):
    """What lies beyond a byte is lost in the picture: two sets with equal pictures differ."""
    values, codes, _ = digits
    low = of_bytes(values, codes)
    dark = np.where(low.pixels == low.pixels.min(), np.float32(-5), low.pixels)
    paths = [
        written(tmp_path / name, of_bytes(values, codes, pixels=pixels))
        for name, pixels in (("a.parquet", low.pixels), ("b.parquet", dark))
    ]
    pictures = [pq.read_table(path)["image"] for path in paths]
    assert pictures[0].equals(pictures[1])
    got = [cells(evaluate("--train", path, *SMALL, *QUICK))["full"] for path in paths]
    assert got[0]["accuracy"] != got[1]["accuracy"]


# --- as a result


def test_it_stands_beside_as_many_random_images_and_the_full_set(evaluate, syn):
    found = cells(evaluate(syn, *REAL, "--seeds", 2))
    assert set(found) == {"syn", "random", "full"}
    cell, random = found["syn"], found["random"]
    assert (cell["kind"], cell["k"], random["k"], found["full"]["k"]) == ("synthetic", 20, 20, 1346)
    assert cell["share"] == pytest.approx(20 / 1346)
    assert cell["gain"] == pytest.approx(cell["accuracy"] - random["accuracy"])
    assert cell["gain_interval"]["low"] < cell["gain"] < cell["gain_interval"]["high"]
    assert cell["relative"] == pytest.approx(cell["accuracy"] / found["full"]["accuracy"])
    assert [run["seed"] for run in cell["runs"]] == [[0], [1]]
    digest = json.loads(pq.read_schema(syn).metadata[b"coreset"])["content_digest"]
    assert cell["runs"][0]["selection_digest"] == digest
    assert cell["worst_class"] in set("0123456789")


def test_the_same_images_as_a_selection_train_the_same_network(evaluate, digits, tmp_path):
    """In [0, 1] under the statistics of all rows, nothing tells a synthetic row from a real one."""
    from coreset_cli.training.batches import images_of

    values, codes, rows = digits
    real = open_pictures(["digits:train"])
    whole = images_of(load_pixels(real, channels=None, size=None).values, real.labels.codes)
    order = np.argsort(rows)
    unit = (values[order].transpose(0, 3, 1, 2) / 255).astype(np.float32)
    statistics = {"mean": tuple(whole.mean.tolist()), "std": tuple(whole.std.tolist())}
    same = of_bytes(values, codes[order], pixels=unit, space="unit", **statistics)
    syn = written(tmp_path / "syn.parquet", same)
    np.savetxt(tmp_path / "keep.txt", rows[order], "%d")
    words = ["--baselines", "", "--recipe", "gm-cifar:epochs=6"]
    found = cells(evaluate(syn, tmp_path / "keep.txt", *REAL, *words))
    assert found["syn"]["accuracy"] == found["keep"]["accuracy"]
    assert found["syn"]["worst_accuracy"] == found["keep"]["worst_accuracy"]
    assert (found["syn"]["kind"], found["keep"]["kind"]) == ("synthetic", "file")


def test_tests_are_seen_under_its_own_statistics(evaluate, digits, tmp_path):
    values, codes, _ = digits
    plain = of_bytes(values, codes)
    other = written(tmp_path / "other.parquet", replace(plain, mean=(0.9,), std=(2.0,)))
    syn = written(tmp_path / "syn.parquet", plain)
    words = ["--baselines", "", "--recipe", "dc:epochs=60"]
    found = cells(evaluate(syn, other, *REAL, *words))
    assert found["syn"]["accuracy"] != found["other"]["accuracy"]
    model = tmp_path / "model.pt"
    found = cells(evaluate(other, *REAL, *words, "--save-model", model))
    accuracy, card = accuracy_of(model)
    assert accuracy == pytest.approx(found["other"]["accuracy"], abs=0.005)
    assert (card.mean, card.std) == (pytest.approx((0.9,)), pytest.approx((2.0,)))
    assert card.train["path"] == str(other)


def test_another_size_is_noted_once(evaluate, digits, tmp_path):
    values, codes, _ = digits
    large = values.repeat(2, 1).repeat(2, 2)
    paths = [
        written(tmp_path / f"{name}.parquet", of_bytes(found, codes))
        for name, found in (("a", large), ("b", large // 2), ("c", values))
    ]
    model = tmp_path / "model.pt"
    got = evaluate(*paths, *REAL, "--recipe", "dc:epochs=40")
    assert {name: cell["k"] for name, cell in cells(got).items()} == {
        "a": 20, "b": 20, "c": 20, "random": 20, "full": 1346,
    }  # fmt: skip
    assert got.err.count("digits:test: 451 of 451 images were resized to 16×16") == 1
    assert "digits:train" not in got.err
    found = cells(evaluate(paths[0], *REAL, "--baselines", "", "--save-model", model))
    assert accuracy_of(model, 16)[0] == pytest.approx(found["a"]["accuracy"], abs=0.005)


def test_images_that_hold_several_count_as_they_are_stored(evaluate, run_cli, digits, tmp_path):
    values, codes, _ = digits
    four = written(tmp_path / "four.parquet", of_bytes(values, codes, factor=2))
    decoded = _decoded(read_synthetic(four))
    plain = written(tmp_path / "plain.parquet", decoded)
    found = cells(evaluate(four, plain, *REAL))
    assert (found["four"]["k"], found["plain"]["k"]) == (20, 80)
    assert (found["four"]["factor"], found["plain"]["factor"]) == (2, 1)
    assert found["four"]["accuracy"] == pytest.approx(found["plain"]["accuracy"], abs=0.01)
    table = run_cli("evaluate", four, *REAL).out
    assert "pictures a row" in table.splitlines()[0]
    assert table.splitlines()[1].split()[:3] == ["four", "20", "4"]
    alone = cells(evaluate("--train", four, *SMALL, *QUICK))["full"]
    assert (alone["k"], alone["factor"]) == (20, 2)
    assert alone["accuracy"] == pytest.approx(found["four"]["accuracy"], abs=1e-9)


def _decoded(four):
    """The pictures of each image, by another way of enlarging."""
    from scipy.ndimage import map_coordinates

    places = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    grid = np.stack(np.meshgrid(places, places, indexing="ij"))
    parts = [
        map_coordinates(image[0, top : top + 4, left : left + 4].astype(float), grid, order=1)
        for image in four.pixels
        for top in (0, 4)
        for left in (0, 4)
    ]
    pixels = np.stack(parts)[:, None].astype(np.float32)
    return replace(four, pixels=pixels, codes=np.repeat(four.codes, 4), factor=1)


def test_what_is_known_of_rows_is_not_said_of_a_synthetic_set(evaluate, run_cli, syn, tmp_path):
    dirty = tmp_path / "dirty.parquet"
    words = ["corrupt", "digits:train", "--labels", "symmetric=0.4", "--images", "fog=0.2"]
    assert run_cli(*words, "-o", dirty).code == 0
    found = cells(evaluate(syn, *REAL, "--train", dirty, "--embeddings", "digits:train"))
    assert found["random"]["truth"]["mislabelled"]["base"] > 0.3
    assert found["random"]["to_median"] is not None
    nothing = {"corrupted": None, "by_type": {}, "mislabelled": None, "clean_recall": None}
    assert found["syn"]["truth"] == nothing
    assert (found["syn"]["to_median"], found["syn"]["to_clean_mean"]) == (None, None)


def test_random_shares_the_classes_as_the_set_does(evaluate, run_cli, digits, tmp_path):
    values, codes, _ = digits
    rows = np.r_[0:20, 0:5]
    pairs = written(tmp_path / "pairs.parquet", of_bytes(values, codes))
    skew = written(tmp_path / "skew.parquet", of_bytes(values[rows], codes[rows]))
    label = open_pictures(["digits:train"]).labels.codes
    few = images(
        tmp_path / "few.parquet", np.r_[np.flatnonzero(label > 0), np.flatnonzero(label == 0)[:9]]
    )
    balances = []
    for train in ("digits:train", few):
        found = json.loads(evaluate(pairs, skew, *REAL, "--train", train).out)["cells"]
        balances.append({(c["name"], c["k"], c["balance"]) for c in found if c["k"] < 100})
        assert all(c["gain"] is not None for c in found if c["kind"] == "synthetic")
    same = {(name, k, "proportional") for name, k in (("pairs", 20), ("skew", 25))}
    rivals = {("random", k, "proportional") for k in (20, 25)}
    assert balances[0] == same | rivals
    own = {("pairs", 20, "equal"), ("random", 20, "equal")}
    np.savetxt(tmp_path / "keep.txt", np.arange(20), "%d")
    table = run_cli("evaluate", pairs, tmp_path / "keep.txt", *REAL, "--train", few).out
    assert "random (equal)" in table
    assert "random (proportional)" in table
    assert balances[1] == own | {("skew", 25, "proportional"), ("random", 25, "proportional")}


# --- labels


def test_labels_are_matched_by_value(evaluate, digits, tmp_path):
    """The order of the classes in the file, and whether they are numbers, changes nothing."""
    values, codes, _ = digits
    plain = of_bytes(values, codes)
    turned = replace(plain, names=tuple(reversed(plain.names)), codes=9 - codes, integers=False)
    paths = [written(tmp_path / f"{n}.parquet", s) for n, s in (("a", plain), ("b", turned))]
    found = cells(evaluate(*paths, *REAL, "--baselines", ""))
    assert found["a"]["accuracy"] == found["b"]["accuracy"]
    assert found["a"]["worst_class"] == found["b"]["worst_class"]


def test_a_class_without_images_is_a_warning(evaluate, digits, tmp_path):
    values, codes, _ = digits
    syn = written(tmp_path / "syn.parquet", of_bytes(values[2:], codes[2:]))
    got = evaluate(syn, *REAL, "--baselines", "random")
    assert cells(got)["syn"]["worst_class"] == "0"
    assert "syn at 18 rows has rows of 9 of the 10 classes" in got.err


def test_a_class_that_is_unknown_is_refused(evaluate, digits, tmp_path):
    values, codes, _ = digits
    names = (*map(str, range(9)), "nine")
    syn = written(tmp_path / "syn.parquet", of_bytes(values, codes, names=names, integers=False))
    got = evaluate(syn, *REAL)
    assert got.code == 3
    assert "classes that digits:train lacks (nine)" in got.err
    assert "--train" in got.err


def test_a_name_without_images_may_be_unknown(evaluate, digits, tmp_path):
    values, codes, _ = digits
    syn = written(
        tmp_path / "syn.parquet",
        of_bytes(values, codes, names=(*map(str, range(10)), "x"), integers=False),
    )
    assert evaluate(syn, *REAL, "--baselines", "").code == 0


# --- refusals


@pytest.mark.parametrize("place", ["train", "result"])
def test_the_linear_model_is_refused(evaluate, syn, place):
    train = ["--train", syn] if place == "train" else [syn, "--train", "digits:train"]
    got = evaluate(*train, "--test", "digits:test")
    assert got.code == 2
    assert "the linear model trains on vectors; name a network with --model" in got.err


@pytest.mark.parametrize("model", ["linear", "lenet"])
def test_synthetic_images_do_not_judge(evaluate, syn, model):
    got = evaluate("--train", "digits:train", "--test", syn, "--model", model)
    assert got.code == 2
    assert "models are judged by real images" in got.err


def test_more_images_than_real_ones_have_no_rival(evaluate, syn, tmp_path):
    train = images(tmp_path / "train.parquet", np.arange(15))
    got = evaluate(syn, *REAL, "--train", train, "--label", "label")
    assert got.code == 2
    assert "syn.parquet has 20 images and" in got.err
    assert "leave them out with --baselines full" in got.err
    assert cells(evaluate(syn, *REAL, "--train", train, "--baselines", "full"))["syn"]["k"] == 20


@pytest.mark.parametrize("where", ["train", "result"])
@pytest.mark.parametrize("harm", ["cut", "nan", "moved", "manifest"])
def test_a_damaged_set_is_refused(evaluate, syn, where, harm):
    if harm == "cut":
        syn.write_bytes(syn.read_bytes()[:-100])
    else:
        _harmed(syn, harm)
    words = ["--train", syn] if where == "train" else [syn, "--train", "digits:train"]
    got = evaluate(*words, *SMALL, *QUICK)
    assert got.code == 3, got.err
    assert "distill again" in got.err or "write it again" in got.err
    assert len(got.err.splitlines()) == 1


def _harmed(path, harm):
    table, metadata = pq.read_table(path), dict(pq.read_schema(path).metadata)
    if harm == "nan":
        values = read_synthetic(path).pixels.reshape(20, -1).copy()
        values[7, 3] = np.nan
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 64)
        table = table.set_column(1, "pixels", lists)
    elif harm == "moved":
        table = table.take(np.roll(np.arange(20), 1))
    else:
        record = json.loads(metadata[b"coreset"])
        record["facts"]["synthetic"]["std"] = [-1.0]
        metadata[b"coreset"] = json.dumps(record).encode()
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_signals_are_of_real_rows(evaluate, syn, digits, tmp_path):
    signals = ["--record", tmp_path / "signals.parquet"]
    got = evaluate(syn, *REAL, "--baselines", "", *signals)
    assert got.code == 2
    assert "--record keeps signals of the rows of digits:train" in got.err
    assert evaluate("--train", syn, *SMALL, *QUICK, *signals).code == 0
    values, codes, _ = digits
    four = written(tmp_path / "four.parquet", of_bytes(values, codes, factor=2))
    assert evaluate("--train", four, *SMALL, *QUICK, *signals, "--force").code == 2


# --- kept, planned


def test_a_finished_model_is_known_by_the_content_of_its_set(evaluate, syn, digits, tmp_path):
    def cached(path):
        cell = cells(evaluate(path, *REAL, "--baselines", ""))[path.stem]
        return cell["runs"][0]["cached"], cell["accuracy"]

    first = cached(syn)
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(syn.read_bytes())
    assert (first[0], cached(copy)) == (False, (True, first[1]))
    values, codes, _ = digits
    for changes in ({"mean": (0.31,)}, {"std": (0.4,)}, {"space": "unit"}, {"factor": 2}):
        written(copy, of_bytes(values, codes, **changes))
        assert not cached(copy)[0], changes


def test_dry_run_counts_its_models(run_cli, syn):
    got = run_cli("evaluate", syn, *REAL, "--seeds", 3, "--dry-run", "--json")
    assert got.code == 0, got.err
    plan = json.loads(got.out)
    assert (plan["trainings"], plan["cells"]) == (6, 2)
    got = run_cli("evaluate", "--train", syn, *SMALL, *QUICK, "--dry-run", "--json")
    plan = json.loads(got.out)
    assert (plan["rows"], plan["trainings"], plan["largest"]) == (20, 1, 20)
    assert plan["seconds"] > 0


def test_gates_hold_it_as_a_result(evaluate, syn):
    got = evaluate(syn, *REAL, "--fail-under", "accuracy=0.999")
    assert got.code == 1
    assert "syn at 20 rows" in got.err
