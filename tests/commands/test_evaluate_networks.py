"""Networks in `evaluate`, as a user asks for them; digits are small enough to train in a second."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DIGITS = ["--train", "digits:train", "--test", "digits:test", "--device", "cpu"]
SMALL = ["--model", "convnet:width=8", "--recipe", "quick:epochs=2"]
ALONE = ["--baselines", "", "--seeds", "1"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(run_cli):
    def call(*arguments):
        return run_cli("evaluate", *DIGITS, *SMALL, *arguments)

    return call


@pytest.fixture
def keep(run_cli, tmp_path):
    """An index list of 60 random digits."""
    path = tmp_path / "keep.parquet"
    assert run_cli("select", "-m", "random", "-k", 60, "digits:train", "-o", path).code == 0
    return path


def cells(got):
    assert got.code == 0, got.err
    return {(cell["name"], cell["k"]): cell for cell in json.loads(got.out)["cells"]}


def test_every_seed_trains_a_model_of_its_own(evaluate, keep):
    found = cells(evaluate(keep, "--seeds", 2, "--json"))
    for name, k in (("keep", 60), ("random", 60), ("full", 1346)):
        runs = found[name, k]["runs"]
        assert [run["seed"] for run in runs] == [[0], [1]]
        assert all(run["cost"] is None for run in runs)
    digests = [run["selection_digest"] for run in found["keep", 60]["runs"]]
    assert digests[0] == digests[1]
    for cell in found.values():
        assert cell["runs"][0]["accuracy"] != cell["runs"][1]["accuracy"]
    assert found["full", 1346]["accuracy"] > found["keep", 60]["accuracy"] + 0.1
    assert found["full", 1346]["gain"] is None
    assert found["keep", 60]["gain_interval"]["low"] < found["keep", 60]["gain"]


def test_last_epoch_is_the_headline_and_the_best_an_extra(evaluate):
    got = evaluate("--baselines", "full", "--seeds", 1, "--json", "--recipe", "quick:epochs=5")
    (cell,) = cells(got).values()
    assert cell["best"] == cell["runs"][0]["best_accuracy"] >= cell["accuracy"]
    assert 1 <= cell["runs"][0]["best_epoch"] <= 5


def test_a_finished_model_is_never_trained_again(evaluate, keep):
    first, again = (cells(evaluate(keep, *ALONE, "--json"))["keep", 60] for _ in range(2))
    assert [first["runs"][0]["cached"], again["runs"][0]["cached"]] == [False, True]
    assert {**first, "runs": 0} == {**again, "runs": 0}
    other = cells(evaluate(keep, *ALONE, "--json", "--recipe", "quick:epochs=1"))["keep", 60]
    assert not other["runs"][0]["cached"]
    other = cells(evaluate(keep, *ALONE, "--json", "--model", "convnet:width=9"))["keep", 60]
    assert not other["runs"][0]["cached"]


def test_a_run_is_what_the_loop_does_with_these_rows(evaluate, keep):
    from coreset_cli.artifacts.pictures import open_pictures
    from coreset_cli.artifacts.pixels import load_pixels
    from coreset_cli.training.batches import images_of
    from coreset_cli.training.loop import train
    from coreset_cli.training.networks import build, network_spec
    from coreset_cli.training.recipe import network_recipe

    cell = cells(evaluate(keep, *ALONE, "--json"))["keep", 60]
    rows = np.sort(pq.read_table(keep)["index"].to_numpy())
    parts = [open_pictures([f"digits:{part}"]) for part in ("train", "test")]
    values = [load_pixels(part, channels=None, size=None).values for part in parts]
    everything = images_of(values[0], parts[0].labels.codes)
    test = images_of(values[1], parts[1].labels.codes, like=everything)
    network = build(network_spec("convnet:width=8"), classes=10, channels=1, size=8, seed=0)
    recipe = network_recipe("quick:epochs=2")
    trained = train(network, everything.take(rows), recipe, seed=0, test=test)
    assert cell["accuracy"] == pytest.approx((trained.predicted == parts[1].labels.codes).mean())


def test_weights_of_a_selection_train_the_network(evaluate, keep, tmp_path):
    table = pq.read_table(keep)
    ones = [label == "1" for label in map(str, table["label"].to_pylist())]
    heavy = pa.array(np.where(ones, 100.0, 0.01), pa.float32())
    place = table.column_names.index("weight")
    pq.write_table(table.set_column(place, "weight", heavy), tmp_path / "heavy.parquet")
    longer = ["--recipe", "quick:epochs=12"]
    found = cells(evaluate(keep, tmp_path / "heavy.parquet", *ALONE, *longer, "--json"))
    assert found["heavy", 60]["accuracy"] < 0.3 < found["keep", 60]["accuracy"]


def test_methods_select_from_vectors_of_the_images(evaluate, run_cli, tmp_path):
    chosen = ["-m", "herding", "-r", "0.05"]
    got = evaluate(*chosen, "--embeddings", "digits:train", "--seeds", 1, "--json")
    cell = cells(got)["herding", 67]
    selected = run_cli("select", *chosen, "digits:train")
    assert cell["runs"][0]["selection_digest"] == selected.digest
    assert cell["to_median"] > 0
    assert cells(got)["random", 67]["to_clean_mean"] > 0


def test_methods_without_vectors_are_refused_and_random_needs_none(evaluate):
    got = evaluate("-m", "herding", "-r", "0.05")
    assert got.code == 2
    assert "--embeddings" in got.err
    found = cells(evaluate("-m", "random", "-k", 50, *ALONE, "--json"))
    assert found["random", 50]["to_median"] is None


def test_vectors_of_other_rows_are_refused(evaluate, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((7, 3), np.float32))
    got = evaluate("-m", "herding", "-k", 5, "--embeddings", tmp_path / "other.npy")
    assert got.code == 3
    assert "7 rows" in got.err
    assert "1346" in got.err.replace(",", "")


def test_the_model_and_its_signals_are_kept(evaluate, tmp_path):
    import torch

    from coreset_cli.artifacts.pictures import open_pictures
    from coreset_cli.artifacts.pixels import load_pixels
    from coreset_cli.artifacts.signals import read_signals
    from coreset_cli.training.batches import images_of
    from coreset_cli.training.checkpoint import load_checkpoint

    model, signals = tmp_path / "model.pt", tmp_path / "signals.parquet"
    whole = ["--baselines", "full", "--seeds", 1, "--json"]
    plain = cells(evaluate(*whole))["full", 1346]
    kept = ["--save-model", model, "--record", signals, "--record-folds", 2]
    cell = cells(evaluate(*whole, *kept))["full", 1346]
    assert not cell["runs"][0]["cached"]  # what is kept of earlier runs has no weights
    assert cell["accuracy"] == plain["accuracy"]
    network, card = load_checkpoint(model)
    assert (card.network, card.classes) == ("convnet:width=8", tuple("0123456789"))
    test = open_pictures(["digits:test"])
    images = images_of(load_pixels(test, channels=1, size=(8, 8)).values, test.labels.codes)
    mean, std = torch.tensor(card.mean)[:, None, None], torch.tensor(card.std)[:, None, None]
    with torch.no_grad():
        logits = network((images.pixels / 255 - mean) / std)
    right = (logits.argmax(1).numpy() == test.labels.codes).mean()
    assert right == pytest.approx(cell["accuracy"], abs=0.01)
    found = read_signals(signals)
    assert found.dynamics.p_true.shape == (1346, 2)
    assert found.last.logits.shape == (1346, 10)
    assert 0.5 < (found.held_out.argmax(1) == found.labels.codes).mean() < 0.99
    assert list(found.ids.texts())[:3] == ["0", "1", "2"]
    refused = evaluate(*whole, *kept)
    assert refused.code == 2
    assert "--force" in refused.err


def test_what_cannot_be_kept_is_refused(evaluate, run_cli, keep, tmp_path):
    got = evaluate(keep, keep, "--baselines", "random", "--save-model", tmp_path / "m.pt")
    assert got.code == 2
    assert "2 results" in got.err
    linear = ["--train", "digits:train", "--test", "digits:test", "--baselines", "full"]
    got = run_cli("evaluate", *linear, "--record", tmp_path / "s.parquet")
    assert got.code == 2
    assert "--model resnet18" in got.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--model", "resnet19"], "there are linear, convnet"),
        (["--model", "convnet:wide=3"], "has no parameter 'wide'"),
        (["--recipe", "slow"], "gm-cifar"),
        (["--recipe", "quick:epochs=0"], "epochs"),
        (["--record-folds", "1"], "2 folds"),
        (["--record-folds", "5"], "--record"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(run_cli, words, part):
    got = run_cli("evaluate", *DIGITS, *SMALL, "--baselines", "full", *words)
    assert got.code == 2
    assert part in got.err


def test_linear_has_no_recipe_of_a_network(run_cli):
    got = run_cli("evaluate", *DIGITS, "--baselines", "full", "--recipe", "quick")
    assert got.code == 2
    assert "recipe" in got.err


def test_dry_run_counts_models_and_trains_none(evaluate, keep, tmp_path):
    got = evaluate(keep, "--seeds", 3, "--dry-run", "--json")
    assert got.code == 0, got.err
    plan = json.loads(got.out)
    assert (plan["trainings"], plan["baseline_trainings"]) == (6, 3)
    assert plan["seconds"] > plan["baseline_seconds"] > 0
    assert plan["peak_memory"] > 1346 * 64
    assert not (tmp_path / "cache").exists()


def test_too_little_memory_is_refused_before_training(evaluate, keep):
    got = evaluate(keep, *ALONE, "--model", "resnet50", "--max-memory", "700M")
    assert got.code == 4
    assert "--max-memory" in got.err


def test_labels_beside_the_images(evaluate, keep, tmp_path):
    """Labels from a file train; the data's own stay out of it."""
    wrong = np.zeros(1346, np.int64)
    wrong[::2] = 1
    np.save(tmp_path / "labels.npy", wrong)
    got = evaluate(keep, *ALONE, "--label", tmp_path / "labels.npy", "--json")
    cell = cells(got)["keep", 60]
    assert cell["accuracy"] < 0.25
    assert cell["truth"]["mislabelled"] is None


@pytest.mark.parametrize("option", ["-o", "--save-model", "--record"])
def test_an_input_is_never_the_output(run_cli, keep, tmp_path, option):
    images, labels = tmp_path / "images.parquet", tmp_path / "labels.npy"
    run_cli("corrupt", "digits:train", "--images", "fog=0.1", "-o", images)
    np.save(labels, np.zeros(451, np.int64))
    files = (images, labels, keep)
    before = [file.read_bytes() for file in files]
    for file in files:
        words = ["--train", images, "--test", "digits:test", "--test-label", labels, *SMALL, keep]
        got = run_cli("evaluate", *words, option, file, "--force", *ALONE)
        assert (got.code, "lies in the input" in got.err) == (2, True), got.err
    assert [file.read_bytes() for file in files] == before


def test_two_outputs_are_never_one_file(evaluate, tmp_path):
    both = ["--save-model", tmp_path / "x", "--record", tmp_path / "." / "x"]
    got = evaluate("--baselines", "full", "--seeds", 1, *both)
    assert got.code == 2
    assert "two outputs" in got.err
    assert not (tmp_path / "x").exists()


def test_a_network_that_diverges_in_its_last_step_is_no_result(evaluate, keep, tmp_path):
    wild = ["--recipe", "quick:epochs=1,batch=64,learning_rate=1e30"]
    got = evaluate(keep, *ALONE, *wild, "--save-model", tmp_path / "m.pt")
    assert got.code == 3, got.out
    assert "learning_rate" in got.err
    assert not (tmp_path / "m.pt").exists()


@pytest.mark.parametrize("last", [np.nan, None, -1.0, np.inf])
def test_weights_that_mean_nothing_are_refused(evaluate, keep, last):
    table = pq.read_table(keep)
    weights = pa.array([1.0] * 59 + [last], pa.float32())
    place = table.schema.get_field_index("weight")
    pq.write_table(table.set_column(place, "weight", weights), keep)
    got = evaluate(keep, *ALONE)
    assert got.code == 3, got.out
    assert "column 'weight': row 59" in got.err


def test_a_model_that_learned_nothing_is_named(run_cli, keep):
    words = [*DIGITS, "--model", "lenet", "--recipe", "quick:epochs=30,learning_rate=3"]
    got = run_cli("evaluate", keep, *words, *ALONE)
    assert got.code == 0, got.err
    assert "1 of 1 models of keep at 60 rows learned nothing" in got.err
    assert "a lower learning_rate may help" in got.err
    assert "learned nothing" not in run_cli("evaluate", keep, *DIGITS, *SMALL, *ALONE).err
