"""`info` on images and on what `evaluate` leaves."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

DRAW = np.random.default_rng(0)


def png(height, width, mode="RGB"):
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    file = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 256, shape, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def about(run_cli):
    def call(path, *options):
        result = run_cli("info", path, "--json", *options)
        assert result.code == 0, result.err
        return json.loads(result.out)

    return call


def test_images_and_everything_wrong_with_them(tmp_path, about, run_cli):
    same = png(5, 4)
    images = [same, png(5, 4), b"no image", same, same, None, png(5, 4, "L")]
    table = pa.table({"image": pa.array(images, pa.binary()), "label": list("abcabdd")})
    path = tmp_path / "images.parquet"
    pq.write_table(table, path)
    found = about(path)
    assert (found["kind"], found["rows"]) == ("images", 7)
    assert found["shapes"] == {"5 × 4 colour": 4, "5 × 4 grey": 1}
    assert found["classes"] == {"a": 2, "b": 2, "c": 1, "d": 2}
    broken, repeats, torn = found["faults"]
    assert broken.startswith("images that cannot be read: 2, first row 2: ")
    assert "byte for byte: 2, first row 3, which equals row 0" in repeats
    assert "another label than the earlier one: 1, first row 4 (b, before a)" in torn
    assert run_cli("info", path, "--strict").code == 3
    assert "5 × 4 colour (4), 5 × 4 grey (1)" in run_cli("info", path).out


def test_a_folder_of_images(tmp_path, about):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(png(6, 6))
    found = about(tmp_path / "set")
    assert (found["kind"], found["ids"], found["classes"]) == (
        "images",
        "text",
        {"cat": 2, "dog": 1},
    )
    assert found["faults"] == []


def test_real_images_have_the_conflict_their_description_names(real_data, about):
    found = about(real_data / "tiny-imagenet-32" / "train.parquet")
    assert found["shapes"] == {"32 × 32 colour": 20_000}
    repeats, torn = found["faults"]
    assert "first row 12646, which equals row 4149" in repeats
    assert "row 12646 (46, before 149)" in torn


def test_what_evaluate_leaves(tmp_path, about, run_cli, monkeypatch):
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))
    model, signals, report = (tmp_path / name for name in ("m.pt", "s.parquet", "r.json"))
    done = run_cli(
        *("evaluate", "--train", "digits:train", "--test", "digits:test", "--device", "cpu"),
        *("--model", "lenet", "--recipe", "quick:epochs=1", "--baselines", "full", "--seeds", 1),
        *("--save-model", model, "--record", signals, "-o", report),
    )
    assert done.code == 0, done.err
    found = about(model)
    assert (found["kind"], found["facts"]["network"]) == ("checkpoint", "lenet")
    assert found["facts"]["images"] == "8 × 8, grey"
    found = about(signals)
    assert (found["kind"], found["rows"], found["ids"]) == ("signals", 1346, "row number")
    assert found["facts"]["recipe"] == "quick, 1 epochs, seed 0"
    found = about(report)
    assert found["kind"] == "report"
    assert found["facts"]["accuracy"].endswith("% at 1,346")
    for path in (model, signals, report):
        assert "faults     none" in run_cli("info", path).out


def test_a_damaged_checkpoint_is_bad_data(tmp_path, run_cli):
    from zipfile import ZipFile

    with ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"nothing")
    assert run_cli("info", tmp_path / "m.pt").code == 3
