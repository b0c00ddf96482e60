"""`embed` through the command line: what travels, what is left out, what is refused."""

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.artifacts.embeddings import open_embeddings, scan

N = 40


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def data(tmp_path, values):
    """Images as Hugging Face keeps them, in row groups that are no multiple of a batch."""

    def write(**columns):
        table = pa.table(
            {
                "image": [
                    {"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(values)
                ],
                "label": pa.array(np.arange(N) % 4, pa.int8()),
            }
            | columns
        )
        pq.write_table(table, tmp_path / "data.parquet", row_group_size=7)
        return tmp_path / "data.parquet"

    return write


def expected_pixels(values):
    return values.reshape(len(values), -1) / np.float32(127.5) - 1


def vectors(path):
    column = pq.read_table(path)["embedding"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def test_images_become_vectors_with_all_that_belongs_to_them(data, values, tmp_path, run_cli):
    source = data(uid=[f"u{i}" for i in range(N)], corruption=["fog", None] * (N // 2))
    out = tmp_path / "emb.parquet"
    done = run_cli("embed", source, "-o", out, "--encoder", "pixels", "--batch", 16)
    assert done.code == 0, done.err
    table = pq.read_table(out)
    assert table.column_names == ["embedding", "id", "label", "uid", "corruption"]
    field = table.schema.field("embedding")
    assert field.type == pa.list_(pa.float32(), 90)
    assert not field.nullable
    np.testing.assert_allclose(vectors(out), expected_pixels(values), atol=1e-6)
    original = pq.read_table(source)
    assert table["id"].to_pylist() == original["uid"].to_pylist()
    assert table["corruption"].equals(original["corruption"])
    assert table["label"].to_pylist() == original["label"].to_pylist()


def test_the_manifest_says_what_was_read_and_what_came_of_it(data, tmp_path, run_cli):
    source, out = data(), tmp_path / "emb.parquet"
    done = run_cli("embed", source, "-o", out, "--encoder", "pixels", "--json", "--seed", 3)
    manifest = json.loads(done.out)
    written = scan(open_embeddings([str(out)])).record.content_digest
    assert manifest["content_digest"] == written == done.digest
    assert json.loads(pq.read_schema(out).metadata[b"coreset"])["content_digest"] == written
    images = pq.read_table(source)["image"].to_pylist()
    labels = pq.read_table(source)["label"].to_pylist()
    digest = hashlib.sha256(f"{N} images\n".encode())
    for image in images:
        digest.update(hashlib.sha256(image["bytes"]).digest())
    for lines in (range(N), labels):
        text = "".join(f"{line}\n" for line in lines)
        digest.update(hashlib.sha256(text.encode()).hexdigest().encode())
    assert manifest["inputs"][0]["content_digest"] == digest.hexdigest()
    assert manifest["parameters"]["batch"] == 1024
    assert manifest["seed"] == 3
    assert 0 < manifest["facts"]["decoding_share"] <= 1


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_npy_has_its_columns_beside_it(dtype, data, values, tmp_path, run_cli):
    out = tmp_path / "emb.npy"
    done = run_cli("embed", data(), "-o", out, "--encoder", "pixels", "--dtype", dtype)
    assert done.code == 0, done.err
    found = np.load(out)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected_pixels(values).astype(dtype))
    beside = pq.read_table(f"{out}.meta.parquet")
    assert beside["id"].to_pylist() == list(range(N))
    assert json.loads((tmp_path / "emb.npy.coreset.json").read_text())["command"] == "embed"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "data.parquet",
        "emb.npy",
        "emb.npy.coreset.json",
        "emb.npy.meta.parquet",
    ]


def test_parquet_and_npy_have_one_digest(data, tmp_path, run_cli):
    source = data()
    runs = [
        run_cli("embed", source, "-o", tmp_path / name, "--encoder", "pixels")
        for name in ("a.npy", "b.parquet")
    ]
    assert runs[0].digest == runs[1].digest


def test_digits_are_their_own_features(tmp_path, run_cli):
    from sklearn.datasets import load_digits

    out = tmp_path / "digits.parquet"
    done = run_cli("embed", "digits:train", "-o", out)
    assert done.code == 0, done.err
    found, labels = vectors(out), pq.read_table(out)["label"].to_numpy()
    select = open_embeddings(["digits:train"])
    np.testing.assert_allclose(found, select.matrix.read(0, select.matrix.n), atol=1 / 255 + 1e-6)
    assert labels.tolist() == select.columns.read("label").to_pylist()
    # A rounding of 0…16 to 8 bits, and no more: each value is one of 17.
    levels = np.rint(np.arange(17) * 255 / 16) / 127.5 - 1
    steps = np.abs(found[:, :, None] - levels).argmin(axis=2)
    np.testing.assert_allclose(found, levels[steps], atol=1e-6)
    assert {tuple(row) for row in steps} <= {tuple(row) for row in load_digits().data}


def test_a_file_of_labels_becomes_the_label(data, tmp_path, run_cli):
    noisy = [(3 * i) % 5 for i in range(N)]
    (tmp_path / "noisy.txt").write_text("".join(f"{label}\n" for label in noisy))
    out = tmp_path / "emb.parquet"
    done = run_cli(
        "embed", data(), "-o", out, "--encoder", "pixels", "--label", tmp_path / "noisy.txt"
    )
    table = pq.read_table(out)
    assert table["label"].to_pylist() == noisy
    assert table["data_label"].to_pylist() == [i % 4 for i in range(N)]
    assert done.err.count("data_label") == 1


def test_a_column_of_a_file_becomes_the_label(data, tmp_path, run_cli):
    noisy, out = [f"c{i % 7}" for i in range(N)], tmp_path / "emb.parquet"
    pq.write_table(pa.table({"other": noisy[::-1], "noisy": noisy}), tmp_path / "l.parquet")
    label = f"{tmp_path / 'l.parquet'}:noisy"
    done = run_cli("embed", data(), "-o", out, "--encoder", "pixels", "--label", label)
    assert done.code == 0, done.err
    assert pq.read_table(out)["label"].to_pylist() == noisy


def test_a_column_of_labels_becomes_the_label_and_stays(data, tmp_path, run_cli):
    worse, out = [f"c{i % 3}" for i in range(N)], tmp_path / "emb.parquet"
    run_cli("embed", data(worse=worse), "-o", out, "--encoder", "pixels", "--label", "worse")
    table = pq.read_table(out)
    assert table["label"].to_pylist() == worse == table["worse"].to_pylist()


def test_a_folder_of_images_keeps_its_names(tmp_path, run_cli, values):
    for i, folder in enumerate(["cat", "dog", "cat"]):
        (tmp_path / "tree" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / folder / f"{i}.png").write_bytes(png(values[i]))
    out = tmp_path / "emb.parquet"
    done = run_cli("embed", tmp_path / "tree", "-o", out, "--encoder", "pixels")
    assert done.code == 0, done.err
    table = pq.read_table(out)
    assert table["id"].to_pylist() == ["cat/0.png", "cat/2.png", "dog/1.png"]
    assert table["label"].to_pylist() == ["cat", "cat", "dog"]
    np.testing.assert_allclose(vectors(out), expected_pixels(values[[0, 2, 1]]), atol=1e-6)


def broken(table, rows):
    images = table["image"].to_pylist()
    for row, content in rows.items():
        images[row] = {"bytes": content, "path": None}
    return table.set_column(0, "image", pa.array(images))


def test_broken_images_end_the_run_or_are_left_out(data, values, tmp_path, run_cli):
    source, out = data(uid=[f"u{i}" for i in range(N)]), tmp_path / "emb.parquet"
    whole = png(values[0])
    rows = {9: b"no image", 10: whole[:60], 30: None}
    pq.write_table(broken(pq.read_table(source), rows), source, row_group_size=7)
    options = ("embed", source, "-o", out, "--encoder", "pixels", "--batch", 8)

    failed = run_cli(*options)
    assert failed.code == 3
    assert "data.parquet: row 9 (id 'u9')" in failed.err.splitlines()[-1]
    assert "--on-error skip" in failed.err
    assert not out.exists()

    done = run_cli(*options, "--on-error", "skip")
    assert done.code == 5, done.err
    assert "3 of 40 rows were left out (id u9, u10, u30)" in done.err.splitlines()[-1]
    left = [i for i in range(N) if i not in rows]
    assert pq.read_table(out)["id"].to_pylist() == [f"u{i}" for i in left]
    assert pq.read_table(out)["label"].to_pylist() == [i % 4 for i in left]
    np.testing.assert_allclose(vectors(out), expected_pixels(values[left]), atol=1e-6)
    lines = (tmp_path / "emb.parquet.skipped.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["u9", "u10", "u30"]
    assert all(line.split("\t")[1] for line in lines)
    manifest = json.loads(pq.read_schema(out).metadata[b"coreset"])
    assert manifest["facts"]["skipped"] == 3
    assert manifest["count"] == 37
    assert any("u9, u10, u30" in warning for warning in manifest["warnings"])
    assert not (tmp_path / "emb.parquet.partial").exists()


def test_every_row_broken_is_no_output(data, tmp_path, run_cli):
    source, out = data(), tmp_path / "emb.parquet"
    pq.write_table(broken(pq.read_table(source), dict.fromkeys(range(N), b"x")), source)
    done = run_cli("embed", source, "-o", out, "--encoder", "pixels", "--on-error", "skip")
    assert done.code != 0
    assert not out.exists()
    assert "bug" not in done.err


def test_a_bomb_is_refused_by_its_header(data, tmp_path, run_cli):
    import struct
    import zlib

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    source = data()
    pq.write_table(broken(pq.read_table(source), {3: bomb}), source)
    done = run_cli("embed", source, "-o", tmp_path / "e.npy", "--encoder", "pixels")
    assert done.code == 3
    assert "row 3" in done.err
    assert "pixels" in done.err


def test_vectors_beyond_float16_name_the_row(data, tmp_path, run_cli, resnet18_with_a_large_bias):
    args = ("embed", data(), "-o", tmp_path / "e.npy", "--batch", 8)
    encoder = f"torchvision:resnet18@{resnet18_with_a_large_bias(1e6)}"
    done = run_cli(*args, "--encoder", encoder, "--dtype", "float16")
    assert done.code == 3
    assert "row 0 (id 0)" in done.err
    assert "--dtype float32" in done.err
    encoder = f"torchvision:resnet18@{resnet18_with_a_large_bias(float('nan'))}"
    done = run_cli(*args, "--encoder", encoder, "--force")
    assert done.code == 3
    assert "row 0 (id 0): the vector holds NaN" in done.err


@pytest.fixture
def resnet18_with_a_large_bias(tmp_path):
    import torch
    from torchvision.models import resnet18

    def save(bias):
        torch.manual_seed(0)
        network = resnet18(num_classes=2)
        network.layer4[1].bn2.bias.data.fill_(bias)
        torch.save(network.state_dict(), tmp_path / "large.pth")
        return tmp_path / "large.pth"

    return save


def test_texts_of_a_column_and_of_lines(tmp_path, run_cli):

    import open_clip
    import torch

    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    path = tmp_path / "tiny-text.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-text", load_weights=False).eval()
    torch.save(model.state_dict(), tmp_path / "w.pt")
    texts = ["a cat", "ein Hund", "", "a cat"]
    pq.write_table(pa.table({"caption": texts, "label": [0, 1, 0, 1]}), tmp_path / "t.parquet")
    (tmp_path / "t.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer("tiny-text")(texts)).numpy()
    encoder = f"open_clip:{path}@{tmp_path / 'w.pt'}"
    for name in ("t.parquet", "t.txt"):
        out = tmp_path / f"{name}.emb.parquet"
        done = run_cli(
            "embed", tmp_path / name, "-o", out, "--modality", "text", "--encoder", encoder
        )
        assert done.code == 0, done.err
        np.testing.assert_allclose(vectors(out), expected, rtol=1e-4, atol=1e-5)
    named = pq.read_table(tmp_path / "t.parquet.emb.parquet")
    assert named.column_names == ["embedding", "id", "caption", "label"]


def test_a_dry_run_says_the_cost_and_writes_nothing(data, tmp_path, run_cli):
    source = data()
    done = run_cli(
        "embed", source, "-o", tmp_path / "e.npy", "--encoder", "pixels", "--dry-run", "--json"
    )
    plan = json.loads(done.out)
    assert (plan["rows"], plan["width"], plan["bytes"]) == (N, 90, N * 90 * 4)
    assert plan["seconds"] >= 0
    assert plan["memory"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["data.parquet"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-o", "e.csv"), 2, "written as .parquet or .npy"),
        (("-o", "there.npy"), 2, "use --force"),
        (("-o", "e.npy", "--encoder", "pixel"), 2, "did you mean pixels"),
        (("-o", "e.npy", "--batch", "0"), 2, "batch"),
        (("-o", "e.npy", "--id", "nope"), 2, "no column 'nope'"),
        (("-o", "e.npy", "--max-memory", "600M", "--batch", "10000000"), 4, "lower --batch"),
        (("-o", "e.npy", "--modality", "text"), 2, "for texts use open_clip"),
    ],
)
def test_what_cannot_be_is_refused(arguments, code, words, data, tmp_path, run_cli, monkeypatch):
    source = data()
    (tmp_path / "there.npy").write_bytes(b"something")
    monkeypatch.chdir(tmp_path)
    arguments = ("--encoder", "pixels", *arguments)
    done = run_cli("embed", source.name, *arguments)
    assert done.code == code, done.err
    assert words in done.err.splitlines()[-1]


def test_the_input_is_never_the_output(data, tmp_path, run_cli):
    source = data()
    before = source.read_bytes()
    done = run_cli("embed", source, "-o", source, "--encoder", "pixels", "--force")
    assert done.code == 2
    assert source.read_bytes() == before


def test_a_file_of_labels_is_never_the_output(data, tmp_path, run_cli):
    source, labels = data(), tmp_path / "labels.npy"
    np.save(labels, np.arange(40) % 3)
    before = labels.read_bytes()
    words = ["--label", labels, "-o", labels, "--encoder", "pixels", "--force"]
    done = run_cli("embed", source, *words)
    assert (done.code, "lies in the input" in done.err) == (2, True), done.err
    assert labels.read_bytes() == before


class TestUnfinishedWork:
    """A run that a broken image ends leaves its parts, as any other end does."""

    @pytest.fixture
    def stopped(self, data, tmp_path, run_cli):
        """A run that ended at row 25 of 40, in batches of 8: 24 rows are done."""
        source, self.out = data(), tmp_path / "emb.npy"
        self.whole = source.read_bytes()
        pq.write_table(broken(pq.read_table(source), {25: b"x"}), source)
        self.options = ("embed", source, "-o", self.out, "--encoder", "pixels", "--batch", 8)
        self.source = source
        failed = run_cli(*self.options)
        assert failed.code == 3
        assert "the same command continues there" in failed.err
        return run_cli

    def test_is_continued_with_the_same_digest(self, stopped, tmp_path):
        plan = json.loads(stopped(*self.options, "--dry-run", "--json").out)
        assert plan["done"] == 24
        self.source.write_bytes(self.whole)  # mended
        done = stopped(*self.options)
        assert done.code == 0, done.err
        assert "continued at row 24" in done.err
        one = stopped("embed", self.source, "-o", tmp_path / "b.npy", *self.options[4:])
        assert one.digest == done.digest
        assert not (tmp_path / "emb.npy.partial").exists()

    def test_finished_parts_are_not_computed_again(self, stopped, tmp_path):
        part = tmp_path / "emb.npy.partial" / "000000000000.npy"
        vectors = np.load(part)
        vectors[5] = 7
        np.save(part, vectors)
        self.source.write_bytes(self.whole)
        assert stopped(*self.options).code == 0
        assert (np.load(self.out)[5] == 7).all()

    def test_of_other_parameters_is_refused_and_replaced_by_force(self, stopped):
        self.source.write_bytes(self.whole)
        other = stopped(*self.options, "--dtype", "float16")
        assert other.code == 3
        assert "dtype was float32, now it is float16" in other.err
        assert "--force" in other.err
        assert stopped(*self.options, "--dtype", "float16", "--force").code == 0
        assert np.load(self.out).dtype == np.float16

    def test_of_data_that_changed_is_refused_and_replaced_by_force(self, stopped, values):
        changed = values.copy()
        changed[3] = 255 - changed[3]
        self.source.write_bytes(self.whole)
        table = pq.read_table(self.source)
        pq.write_table(broken(table, {3: png(changed[3])}), self.source)
        again = stopped(*self.options)
        assert again.code == 3
        assert "has changed in rows 0 to 23" in again.err
        assert stopped(*self.options, "--force").code == 0
        np.testing.assert_allclose(np.load(self.out), expected_pixels(changed), atol=1e-6)

    def test_keeps_what_was_skipped(self, stopped, tmp_path):
        table = pq.read_table(self.source)
        pq.write_table(broken(table, {25: b"x", 33: b"y"}), self.source)
        done = stopped(*self.options, "--on-error", "skip")
        assert done.code == 5
        assert "25, 33" in done.err
        assert np.load(self.out).shape == (38, 90)

    def test_of_someone_else_is_left_alone(self, data, tmp_path, run_cli):
        (tmp_path / "e.npy.partial").mkdir()
        (tmp_path / "e.npy.partial" / "mine.txt").write_text("mine")
        done = run_cli("embed", data(), "-o", tmp_path / "e.npy", "--encoder", "pixels", "--force")
        assert done.code == 2
        assert "was not written by embed" in done.err
        assert (tmp_path / "e.npy.partial" / "mine.txt").exists()


def test_rows_left_out_do_not_part_a_selection_from_data_without_ids(values, run_cli, tmp_path):
    """The ids of the vectors are then the row numbers of the data, and the manifest says so."""
    images = [png(image) for image in values]
    images[3] = b"no image"
    table = pa.table({"image": pa.array(images, pa.binary())})
    source, out, keep, taken = (tmp_path / f"{name}.parquet" for name in ("a", "b", "c", "d"))
    pq.write_table(table, source)
    got = run_cli("embed", source, "--encoder", "pixels", "-o", out, "--on-error", "skip")
    assert got.code == 5
    assert run_cli("select", "-m", "random", "-k", 10, out, "-o", keep).code == 0
    got = run_cli("take", keep, source, "-o", taken)
    assert got.code == 0, got.err
    rows = pq.read_table(keep)["id"].to_pylist()
    assert 3 not in rows
    assert pq.read_table(taken)["image"].to_pylist() == [images[row] for row in rows]
    pq.write_table(table.slice(0, N - 1), tmp_path / "other.parquet")
    got = run_cli("take", keep, tmp_path / "other.parquet", "-o", tmp_path / "e.parquet")
    assert got.code == 3
    assert "row numbers are not ids" in got.err


def test_a_damaged_part_is_computed_again(values, run_cli, tmp_path, monkeypatch):
    monkeypatch.setattr("coreset_cli.commands.embedding.compute.PART_ROWS", 16)
    images = [png(image) for image in values]
    images[35] = b"no image"
    source, out = tmp_path / "data.parquet", tmp_path / "emb.npy"
    pq.write_table(pa.table({"image": pa.array(images, pa.binary())}), source)
    arguments = ["embed", source, "--encoder", "pixels", "-o", out, "--batch", 16]
    assert run_cli(*arguments).code == 3
    first, _ = sorted((tmp_path / "emb.npy.partial").glob("*.npy"))
    first.write_bytes(first.read_bytes()[:200])
    assert run_cli(*arguments, "--on-error", "skip").code == 5
    np.testing.assert_allclose(
        np.load(out), expected_pixels(np.delete(values, 35, axis=0)), atol=1e-6
    )


def test_images_do_not_come_from_stdin(run_cli, tmp_path):
    got = run_cli("embed", "-", "--encoder", "pixels", "-o", tmp_path / "e.npy", stdin=b"PAR1")
    assert got.code == 2
    assert "stdin" in got.err


def test_a_network_trained_on_oblong_images_sees_them_oblong(values, run_cli, tmp_path):
    import torch

    from coreset_cli.training.checkpoint import load_checkpoint

    source, out, model = (tmp_path / name for name in ("d.parquet", "e.npy", "m.pt"))
    images = [png(image) for image in values]
    pq.write_table(pa.table({"image": pa.array(images, pa.binary()), "label": [0, 1] * 20}), source)
    trained = run_cli(
        *("evaluate", "--train", source, "--test", source, "--model", "convnet:width=4"),
        *("--recipe", "quick:epochs=1", "--baselines", "full", "--seeds", 1, "--save-model", model),
    )
    assert trained.code == 0, trained.err
    got = run_cli("embed", source, "--encoder", f"checkpoint:{model}", "-o", out)
    assert got.code == 0, got.err
    network, card = load_checkpoint(model)
    assert (card.size, card.shape) == (6, (6, 5))
    pixels = torch.from_numpy(values).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(part)[:, None, None] for part in (card.mean, card.std))
    with torch.no_grad():
        expected = network.features((pixels - mean) / std).numpy()
    np.testing.assert_allclose(np.load(out), expected, atol=1e-4)
