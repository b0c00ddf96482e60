"""`corrupt` as a user types it: words that are refused, attacks, plans, memory, interruption."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.training.checkpoint import Card, save_checkpoint
from coreset_cli.training.networks import build, network_spec


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def image_table(values, labels=None):
    table = {"image": [{"bytes": png(v), "path": None} for v in values]}
    if labels is not None:
        table["label"] = labels
    return pa.table(table)


@pytest.fixture
def inputs(tmp_path):
    """Images and vectors, and a folder to write to."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    pq.write_table(image_table(values, np.arange(20) % 2), tmp_path / "i.parquet")
    np.save(tmp_path / "v.npy", rng.normal(size=(20, 3)).astype(np.float32))
    np.save(tmp_path / "ints.npy", np.arange(60).reshape(20, 3))
    bad = rng.normal(size=(20, 3))
    bad[7, 1] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    pq.write_table(image_table(values).slice(0, 0), tmp_path / "none.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("i.parquet", 2, "nothing to damage"),
        ("i.parquet --images frog=0.1", 2, "did you mean fog?"),
        ("i.parquet --images fog", 2, "write fog=0.2"),
        ("i.parquet --images fog=much", 2, "'much' is no number"),
        ("i.parquet --images fog=1.1", 2, "outside [0, 1]"),
        ("i.parquet --images fog=-0.1", 2, "outside [0, 1]"),
        ("i.parquet --images fog=nan", 2, "outside [0, 1]"),
        ("i.parquet --images fog=0.6 --images motion=0.5", 2, "add up to 1.1"),
        ("i.parquet --images fog=0.1 --images fog=0.1", 2, "given twice"),
        ("i.parquet --labels symmetric=0.1 --labels trid=0.1", 2, "one kind a run"),
        ("i.parquet --images fog=0.1 --vectors shift=0.1", 2, "images or vectors"),
        ("i.parquet --vectors shift=0.1", 2, "holds none"),
        ("v.npy --images fog=0.1", 2, "holds none"),
        ("v.npy --labels symmetric=0.1", 2, "has no labels"),
        ("i.parquet --images pgd=0.1", 2, "--checkpoint"),
        ("i.parquet --images fog=0.1 --checkpoint x.pt", 2, "leave it out"),
        ("i.parquet --images gaussian=0.1 --set sgma=0.3", 2, "did you mean sigma?"),
        ("i.parquet --images gaussian=0.1 --set scale=3", 2, "is for --vectors"),
        ("i.parquet --images gaussian=0.1 --set sigma=9", 2, "sigma 9 is outside"),
        ("i.parquet --images gaussian=0.1 --set profile=standard", 2, "no parameter 'profile'"),
        ("i.parquet --labels asymmetric=0.1", 2, "transition="),
        ("i.parquet --labels asymmetric=0.1 --set transition=0>7", 2, "no class '7'"),
        ("ints.npy --vectors shift=0.1", 2, "float32"),
        ("nan.npy --vectors shift=0.1", 3, "nan.npy: row 7"),
        ("missing.parquet --images fog=0.1", 2, "missing.parquet"),
        ("i.parquet --images fog=0.1 --column label", 3, "images are binary"),
        ("none.parquet --images fog=0.1", 3, "has no rows"),
        ("i.parquet --images fog=0.1 --max-memory 600M", 4, "--max-memory"),
    ],
)
def test_what_cannot_be_is_refused_with_words(run_cli, inputs, monkeypatch, arguments, code, words):
    monkeypatch.chdir(inputs)
    done = run_cli("corrupt", *arguments.split(), "-o", "out.parquet")
    assert (done.code, done.out) == (code, ""), done.err
    assert words in done.err
    left = {path.name for path in inputs.iterdir()}
    assert left == {"i.parquet", "ints.npy", "nan.npy", "none.parquet", "v.npy"}


@pytest.mark.parametrize(
    ("data", "output", "words"),
    [
        ("i.parquet", "out.npy", ".parquet"),
        ("i.parquet", "i.parquet", "lies in the input"),
        ("i.parquet", "no/out.parquet", "no folder"),
        ("i.parquet", "there.parquet", "--force"),
    ],
)
def test_outputs_that_cannot_be(run_cli, inputs, monkeypatch, data, output, words):
    monkeypatch.chdir(inputs)
    (inputs / "there.parquet").write_text("mine")
    before = (inputs / "i.parquet").read_bytes()
    done = run_cli("corrupt", data, "-o", output, "--images", "fog=0.1")
    assert done.code == 2
    assert words in done.err
    assert (inputs / "there.parquet").read_text() == "mine"
    assert (inputs / "i.parquet").read_bytes() == before


def test_force_quiet_and_json(run_cli, inputs):
    out = inputs / "there.parquet"
    out.write_text("old")
    data = inputs / "i.parquet"
    args = ["corrupt", data, "-o", out, "--images", "fog=0.25", "--seed", 3]
    done = run_cli(*args, "-f", "-q", "--json")
    assert (done.code, done.err) == (0, "")
    manifest = json.loads(done.out)
    assert manifest["command"] == "corrupt"
    assert manifest["seed"] == 3
    assert manifest["facts"] == {"fog": 5.0}
    assert manifest["parameters"]["images"] == {"fog": 0.25}
    stored = json.loads(pq.read_schema(out).metadata[b"coreset"])
    assert stored["inputs"] == manifest["inputs"]
    info = json.loads(run_cli("info", data, "--json").out)
    assert info["rows"] == stored["inputs"][0]["rows"] == 20


def test_a_plan_counts_and_writes_nothing(run_cli, inputs):
    args = ["corrupt", inputs / "i.parquet", "-o", inputs / "out.parquet", "--dry-run"]
    done = run_cli(*args, "--images", "mixed=0.5", "--labels", "symmetric=0.1", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["counts"] == {
        "motion": 2, "fog": 2, "resolution": 2, "occlusion": 2, "gaussian": 2, "symmetric": 2,
    }  # fmt: skip
    assert plan["seconds"] > 0
    assert not (inputs / "out.parquet").exists()
    words = run_cli(*args, "--images", "fog=0.5").out
    assert "damage    10 of 20 rows by fog" in words
    assert "nothing was written" in words


@pytest.fixture
def attacked(tmp_path):
    """Images, and a network with random weights that takes them."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    table = image_table(values, [("cat", "dog")[i % 2] for i in range(40)])
    table = table.append_column("id", [[f"u{i}" for i in range(40)]])
    pq.write_table(table, tmp_path / "i.parquet")
    spec = network_spec("convnet:width=8")
    network = build(spec, classes=2, channels=3, size=8, seed=0)
    card = Card(
        network=spec.text, classes=("dog", "cat"), channels=3, size=8, mean=(0.5,) * 3,
        std=(0.25,) * 3, recipe={}, epoch=1, seed=0,
    )  # fmt: skip
    save_checkpoint(tmp_path / "net.pt", network, card)
    return tmp_path, values, network.eval()


def pixels_of(path):
    table = pq.read_table(path)
    images = [Image.open(io.BytesIO(i["bytes"])) for i in table["image"].to_pylist()]
    return np.stack([np.asarray(image) for image in images]), table


def loss(network, values, codes):
    import torch

    pixels = torch.from_numpy(values.transpose(0, 3, 1, 2) / 255.0).float()
    logits = network((pixels - 0.5) / 0.25)
    return torch.nn.functional.cross_entropy(logits, torch.tensor(codes)).item()


def test_attacks_stay_in_their_ball_and_raise_the_loss(run_cli, attacked):
    folder, values, network = attacked
    args = ["corrupt", folder / "i.parquet", "--checkpoint", folder / "net.pt", "--device", "cpu"]
    specs = ["--images", "pgd=0.5", "--images", "fgsm=0.25", "--set", "epsilon=4/255"]
    done = run_cli(*args, *specs, "-o", folder / "out.parquet")
    assert done.code == 0, done.err
    after, table = pixels_of(folder / "out.parquet")
    names = np.array([name or "" for name in table["corruption"].to_pylist()])
    assert [(names == name).sum() for name in ("pgd", "fgsm", "")] == [20, 10, 10]
    assert (after[names == ""] == values[names == ""]).all()
    moved = np.abs(after.astype(int) - values.astype(int)).reshape(40, -1).max(axis=1)
    assert set(moved[names == "fgsm"]) == {4}
    assert moved[names == "pgd"].max() == 4
    codes = np.where(table["label"].to_numpy(zero_copy_only=False) == "dog", 0, 1)
    hit = names == "pgd"
    assert loss(network, after[hit], codes[hit]) > loss(network, values[hit], codes[hit])
    manifest = json.loads(table.schema.metadata[b"coreset"])
    assert manifest["exact"] is False
    assert len(manifest["parameters"]["checkpoint_digest"]) == 64
    shuffled = pq.read_table(folder / "i.parquet").take(np.arange(39, -1, -1))
    pq.write_table(shuffled, folder / "back.parquet")
    args[1] = folder / "back.parquet"
    assert run_cli(*args, *specs, "-o", folder / "back-out.parquet").code == 0
    assert (pixels_of(folder / "back-out.parquet")[0][::-1] == after).all()


def test_attacks_refuse_images_and_labels_the_network_does_not_know(run_cli, attacked):
    folder, values, _ = attacked
    args = ["--checkpoint", folder / "net.pt", "-o", folder / "out.parquet"]
    table = pq.read_table(folder / "i.parquet")
    other = table.set_column(1, "label", pa.array(["cat"] * 39 + ["cow"]))
    pq.write_table(other, folder / "cow.parquet")
    done = run_cli("corrupt", folder / "cow.parquet", "--images", "pgd=1", *args)
    assert done.code == 3
    assert "row 39 (id 'u39') has label cow" in done.err
    assert run_cli("corrupt", folder / "cow.parquet", "--images", "fgsm=1", *args).code == 0
    pq.write_table(image_table(values[:, :4]), folder / "small.parquet")
    done = run_cli("corrupt", folder / "small.parquet", "--images", "fgsm=1", *args, "-f")
    assert done.code == 0, done.err  # 4 × 8: the longer side is that of the network
    pq.write_table(image_table(values[:, :4, :4]), folder / "small.parquet")
    done = run_cli("corrupt", folder / "small.parquet", "--images", "fgsm=1", *args, "-f")
    assert done.code == 3
    assert "4×4 pixels in colour" in done.err
    pq.write_table(image_table(values), folder / "bare.parquet")
    done = run_cli("corrupt", folder / "bare.parquet", "--images", "pgd=1", *args, "-f")
    assert done.code == 2
    assert "no labels" in done.err


def test_an_interrupted_run_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    some = [{"bytes": png(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))} for _ in range(50)]
    pq.write_table(pa.table({"image": some * 200}), tmp_path / "i.parquet", row_group_size=500)
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "coreset_cli", "corrupt", tmp_path / "i.parquet"),
            *("-o", tmp_path / "out.parquet", "--images", "gaussian=1"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )
    for _ in range(1200):
        if list(tmp_path.glob(".*.part")):
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert [p.name for p in tmp_path.iterdir()] == ["i.parquet"]
