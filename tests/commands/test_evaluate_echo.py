"""ECHO's training in `evaluate`: roles of rows, their accounting, and what stands beside."""

import json
from dataclasses import replace
from math import exp

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from coreset_cli.artifacts.pictures import open_pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.training.batches import images_of
from coreset_cli.training.loop import train
from coreset_cli.training.networks import build, network_spec
from coreset_cli.training.recipe import network_recipe

DIGITS = ["--train", "digits:train", "--test", "digits:test", "--device", "cpu"]
SMALL = ["--model", "convnet:width=8"]
ALONE = ["--baselines", "", "--seeds", "1"]
ECHO = "echo:epochs=2,batch=16"
CHOSEN = ["-m", "echo", "--set", "support=2", "--balance", "none"]
BUDGETS = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(run_cli):
    def call(*arguments, recipe=ECHO):
        return run_cli("evaluate", *DIGITS, *SMALL, "--recipe", recipe, *arguments)

    return call


@pytest.fixture
def chosen(run_cli, tmp_path):
    """60 digits: 20 core rows and 40 support rows."""
    path = tmp_path / "chosen.parquet"
    assert run_cli("select", *CHOSEN, "-k", 60, "digits:train", "-o", path).code == 0
    return path


@pytest.fixture
def beside(run_cli, tmp_path):
    """9 digits as core rows, and the support rows of all cells beside them."""
    path = tmp_path / "beside.parquet"
    words = [*CHOSEN, "--set", "count_support=false", "-k", 9, "digits:train", "-o", path]
    assert run_cli("select", *words).code == 0
    return path


def cells(got):
    assert got.code == 0, got.err
    return {(cell["name"], cell["k"]): cell for cell in json.loads(got.out)["cells"]}


def trained(path, text, roles=True):
    """Accuracy of the loop itself on the rows of a selection."""
    table = pq.read_table(path).sort_by("index")
    support = torch.tensor([role == "support" for role in table["role"].to_pylist()])
    parts = [open_pictures([f"digits:{part}"]) for part in ("train", "test")]
    values = [load_pixels(part, channels=None, size=None).values for part in parts]
    everything = images_of(values[0], parts[0].labels.codes)
    test = images_of(values[1], parts[1].labels.codes, like=everything)
    images = everything.take(table["index"].to_numpy())
    images = replace(images, support=support) if roles else images
    network = build(network_spec("convnet:width=8"), classes=10, channels=1, size=8, seed=0)
    found = train(network, images, network_recipe(text), seed=0, test=test)
    return (found.predicted == parts[1].labels.codes).mean()


@pytest.mark.parametrize("text", [ECHO, "echo:epochs=2,batch=16,interpolate=mixup,structure=0"])
def test_roles_of_a_file_reach_the_training(evaluate, chosen, text):
    cell = cells(evaluate(chosen, *ALONE, "--json", recipe=text))["chosen", 60]
    assert cell["accuracy"] == pytest.approx(trained(chosen, text))
    assert cell["accuracy"] != pytest.approx(trained(chosen, text, roles=False))
    assert (cell["core"], cell["accounting"]) == (20, "counted")


def test_a_method_in_process_trains_what_its_file_trains(evaluate, chosen):
    vectors = ["--embeddings", "digits:train"]
    first = cells(evaluate(*CHOSEN, "-k", 60, *vectors, *ALONE, "--json"))["echo", 60]
    again = cells(evaluate(chosen, *ALONE, "--json"))["chosen", 60]
    assert [first["runs"][0]["cached"], again["runs"][0]["cached"]] == [False, True]
    assert (first["core"], first["accounting"]) == (again["core"], again["accounting"])
    assert first["accuracy"] == again["accuracy"] == pytest.approx(trained(chosen, ECHO))


def test_random_rows_of_the_same_number_are_trained_alike(evaluate, chosen, run_cli, tmp_path):
    got = evaluate(chosen, "--baselines", "random", "--seeds", 1, "--json")
    random = cells(got)["random", 60]
    assert (random["core"], random["accounting"]) == (20, None)
    assert cells(got)["chosen", 60]["gain"] == pytest.approx(
        cells(got)["chosen", 60]["accuracy"] - random["accuracy"]
    )
    same = tmp_path / "same.parquet"
    words = ["-m", "random", "-k", 60, "--balance", "none", "digits:train", "-o", same]
    assert run_cli("select", *words).code == 0
    table = pq.read_table(same)
    roles = pa.array(["core"] * 20 + ["support"] * 40)
    pq.write_table(table.set_column(table.column_names.index("role"), "role", roles), same)
    assert random["accuracy"] == pytest.approx(trained(same, ECHO))


def test_rows_that_are_not_counted_are_compared_with_as_many(evaluate, beside):
    rows = pq.read_table(beside).num_rows
    assert rows > 200
    got = evaluate(beside, "--seeds", 1, "--baselines", "random")
    assert got.code == 0, got.err
    assert f"beside at {rows} rows: 9 core and {rows - 9} support rows, uncounted" in got.out
    assert f"random at {rows} rows: 9 core and {rows - 9} support rows, drawn at random" in got.out
    found = cells(evaluate(beside, "--seeds", 1, "--baselines", "random", "--json"))
    assert set(found) == {("beside", rows), ("random", rows)}
    assert found["beside", rows]["accounting"] == "uncounted"
    assert found["beside", rows]["share"] == pytest.approx(rows / 1346)
    assert found["random", rows]["core"] == 9
    words = [*CHOSEN, "--set", "echo.count_support=false", "-k", 9, "--embeddings", "digits:train"]
    got = evaluate(*words, "--seeds", 1, "--json", "--baselines", "random")
    assert cells(got)["echo", rows]["accounting"] == "uncounted"
    assert f"{rows - 9} support rows come beside the 9 rows asked for" in got.err


def test_selections_with_roles_and_without_have_random_rows_of_their_own(
    evaluate, chosen, run_cli, tmp_path
):
    plain = tmp_path / "plain.parquet"
    words = ["-m", "echo", "-k", 60, "--balance", "none", "digits:train", "-o", plain]
    assert run_cli("select", *words).code == 0
    got = evaluate(chosen, plain, "--seeds", 1, "--baselines", "random", "--json")
    found = [cell for cell in json.loads(got.out)["cells"] if cell["name"] == "random"]
    assert sorted((cell["k"], cell["core"] or 0) for cell in found) == [(60, 0), (60, 20)]
    accuracy = {cell["core"]: cell["accuracy"] for cell in found}
    cell = cells(got)["plain", 60]
    assert cell["core"] is cell["accounting"] is None
    assert cell["gain"] == pytest.approx(cell["accuracy"] - accuracy[None])
    cell = cells(got)["chosen", 60]
    assert cell["gain"] == pytest.approx(cell["accuracy"] - accuracy[20])


@pytest.mark.parametrize("text", ["quick:epochs=2", "echo:epochs=2,support_a_epoch=all"])
def test_other_recipes_train_on_all_rows_alike(evaluate, chosen, tmp_path, text):
    first = cells(evaluate(chosen, *ALONE, "--json", recipe=text))["chosen", 60]
    assert first["accuracy"] == pytest.approx(trained(chosen, text, roles=False))
    assert first["core"] == 20  # said all the same
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(chosen).drop_columns(["role"]), bare)
    found = cells(evaluate(bare, "--seeds", 1, "--json", "--baselines", "random", recipe=text))
    assert found["bare", 60]["runs"][0]["cached"]
    assert found["bare", 60]["core"] is found["random", 60]["core"] is None


def test_the_loss_of_pairs_trains_every_selection(evaluate, chosen):
    words = [chosen, "--seeds", 1, "--json"]
    with_, without = (
        cells(evaluate(*words, recipe=f"echo:epochs=3,batch=64,structure={scale}"))
        for scale in (0.5, 0)
    )
    assert set(with_) == {("chosen", 60), ("random", 60), ("full", 1346)}
    for place, cell in with_.items():
        assert not without[place]["runs"][0]["cached"]
        assert cell["accuracy"] != without[place]["accuracy"]


def test_files_of_several_settings_stand_side_by_side(evaluate, run_cli, tmp_path):
    files = [tmp_path / f"s{s}.parquet" for s in (0, 1, 2)]
    for s, path in enumerate(files):
        words = ["-m", "echo", "--set", f"support={s}", "-k", 60, "digits:train", "-o", path]
        assert run_cli("select", *words).code == 0
    found = cells(evaluate(*files, *ALONE, "--json"))
    cores = [found[f"s{s}", 60]["core"] for s in (0, 1, 2)]
    assert cores[0] is None
    assert 60 > cores[1] > cores[2] >= 20


def test_signals_of_rows_that_are_not_shown_are_refused(evaluate, chosen, tmp_path):
    record = ["--record", tmp_path / "signals.parquet"]
    got = evaluate(chosen, *ALONE, *record)
    assert got.code == 2
    assert "support_a_epoch=all" in got.err
    got = evaluate(chosen, *ALONE, *record, recipe="echo:epochs=2,support_a_epoch=all")
    assert got.code == 0, got.err
    whole = ["--baselines", "full", "--seeds", 1, "--record", tmp_path / "full.parquet"]
    assert evaluate(chosen, *whole).code == 0


def test_the_model_of_rows_with_roles_is_kept(evaluate, chosen, tmp_path):
    assert evaluate(chosen, *ALONE, "--save-model", tmp_path / "model.pt").code == 0
    assert (tmp_path / "model.pt").exists()


def test_a_role_nobody_knows_is_refused(evaluate, chosen):
    table = pq.read_table(chosen)
    roles = pa.array(["core"] * 59 + ["spare"])
    pq.write_table(table.set_column(table.column_names.index("role"), "role", roles), chosen)
    got = evaluate(chosen, *ALONE)
    assert got.code == 3
    assert "column 'role': row 59 is 'spare'" in got.err


def test_a_list_that_lost_its_roles_is_named(evaluate, run_cli, tmp_path):
    words = [*CHOSEN, "-k", 60, "digits:train", "-o", tmp_path / "bare.npy"]
    assert run_cli("select", *words).code == 0
    got = evaluate(tmp_path / "bare.npy", *ALONE)
    assert "does not say which of its rows are support rows" in got.err
    got = evaluate(tmp_path / "bare.npy", *ALONE, recipe="quick:epochs=1")
    assert "support rows" not in got.err


def test_sizes_that_follow_the_seed_are_named(evaluate):
    words = ["--set", "projection=mlp", "--set", "count_support=false", "-k", 10]
    words += ["-m", "echo", "--set", "support=2", "--embeddings", "digits:train"]
    got = evaluate(*words, "--seeds", 2, "--baselines", "", recipe="echo:epochs=1")
    assert got.code == 0, got.err
    assert "rows, as the seed is" in got.err


def test_fidelity_is_over_all_budgets_of_the_paper(evaluate, tmp_path):
    budgets = [word for budget in BUDGETS for word in ("-r", budget)]
    words = ["-m", "echo", "--embeddings", "digits:train", *budgets, "--seeds", 1]
    got = evaluate(*words, "-o", tmp_path / "report.json", recipe="echo:epochs=1,batch=64")
    assert got.code == 0, got.err
    report = json.loads((tmp_path / "report.json").read_text())
    full = next(cell["accuracy"] for cell in report["cells"] if cell["kind"] == "full")
    for name in ("echo", "random"):
        curve = [cell for cell in report["cells"] if cell["name"] == name]
        assert [cell["k"] for cell in curve] == [round(1346 * budget) for budget in BUDGETS]
        weights = np.array([exp(-cell["k"] / 1346) for cell in curve])
        expected = weights @ [cell["accuracy"] / full for cell in curve] / weights.sum()
        assert report["fidelity"][name] == pytest.approx(expected)
    told = ", ".join(f"{name} {score:.3f}" for name, score in report["fidelity"].items())
    assert f"integrated fidelity over the budgets: {told}" in got.out


def test_curves_of_random_rows_with_roles_and_without_are_two(evaluate, tmp_path):
    words = ["-m", "k-center", "-m", "echo", "--set", "echo.support=2", "-k", 20, "-k", 30]
    words += ["--embeddings", "digits:train", "--seeds", 1, "--plot", tmp_path / "a.svg", "--json"]
    got = evaluate(*words, recipe="echo:epochs=1,batch=64")
    assert got.code == 0, got.err
    curves = {"echo", "k-center", "random", "random (core and support)"}
    assert set(json.loads(got.out)["fidelity"]) == curves
    assert (tmp_path / "a.svg").exists()
