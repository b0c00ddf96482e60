import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.artifacts.manifest import MANIFEST_KEY, Manifest
from coreset_cli.artifacts.synthetic import (
    Synthetic,
    content_digest,
    is_synthetic,
    read_synthetic,
    visible,
    write_synthetic,
)
from coreset_cli.errors import (
    ArtifactIncomplete,
    FileMissing,
    NotFinite,
    SchemaMismatch,
    StaleParent,
)

MADE = Manifest(
    command="distill",
    parameters={"ipc": 2},
    inputs=(),
    seed=3,
    method="dm",
    facts={"loss": 0.25},
)


def made(channels: int = 3, **changes: object) -> Synthetic:
    pixels = np.random.default_rng(channels).normal(size=(6, channels, 4, 5)).astype(np.float32)
    pixels[0, 0, 0, :3] = [-0.0, np.finfo(np.float32).tiny / 8, 1e30]
    whole = Synthetic(
        pixels=pixels,
        codes=np.array([2, 2, 0, 0, 1, 1]),
        names=("3", "11", "-4"),
        integers=True,
        space="normalised",
        mean=(0.1 + 0.2, 0.5, 0.25)[:channels],
        std=(0.2, 1 / 3, 0.125)[:channels],
        factor=2,
        augmentation="color_crop",
    )
    return replace(whole, **changes)


def written(folder: Path, synthetic: Synthetic) -> Path:
    path = folder / "syn.parquet"
    write_synthetic(path, synthetic, lambda: MADE)
    return path


def rewritten(path: Path, table: pa.Table, record: object = None) -> Path:
    """The same file with another table, or with another manifest."""
    metadata = dict(pq.read_schema(path).metadata)
    if record is not None:
        metadata[MANIFEST_KEY] = json.dumps(record).encode()
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def record_of(path: Path) -> dict:
    return json.loads(pq.read_schema(path).metadata[MANIFEST_KEY])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("space", ["normalised", "unit"])
@pytest.mark.parametrize("words", [True, False], ids=["words", "integers"])
def test_every_number_reads_back_bit_for_bit(tmp_path, channels, space, words):
    changes = {"names": ("é", "11", " b"), "integers": False} if words else {}
    there = made(channels, space=space, **changes)
    back = read_synthetic(written(tmp_path, there))
    assert back.pixels.tobytes() == there.pixels.tobytes()
    assert (back.pixels.shape, back.pixels.dtype) == (there.pixels.shape, np.float32)
    assert back.codes.tolist() == there.codes.tolist()
    for name in ("names", "integers", "space", "mean", "std", "factor", "augmentation"):
        assert getattr(back, name) == getattr(there, name), name
    assert content_digest(back) == content_digest(there)


def test_columns_are_those_that_other_programs_expect(tmp_path):
    path = written(tmp_path, made())
    schema = pq.read_schema(path)
    assert [str(kind) for kind in schema.types[:3]] == [
        "int64",
        "fixed_size_list<element: float>[60]",
        "int64",
    ]
    assert pq.read_table(path)["label"].to_pylist() == [-4, -4, 3, 3, 11, 11]
    assert pq.read_table(path)["id"].to_pylist() == list(range(6))
    assert b"Image" in schema.metadata[b"huggingface"]


def test_texts_stay_texts(tmp_path):
    path = written(tmp_path, made(names=("03", "3", "b"), integers=False))
    assert pq.read_table(path)["label"].to_pylist() == ["b", "b", "03", "03", "3", "3"]


def test_manifest_says_what_the_pixels_are(tmp_path):
    record = record_of(written(tmp_path, made()))
    assert record["facts"] == {
        "loss": 0.25,
        "synthetic": {
            "shape": [3, 4, 5],
            "space": "normalised",
            "mean": [0.1 + 0.2, 0.5, 0.25],
            "std": [0.2, 1 / 3, 0.125],
            "factor": 2,
            "augmentation": "color_crop",
            "ipc": 2,
            "classes": ["3", "11", "-4"],
            "integers": True,
        },
    }
    assert (record["command"], record["method"], record["count"]) == ("distill", "dm", 6)
    assert record["content_digest"] == content_digest(made())


def test_classes_of_other_sizes_have_no_images_a_class():
    assert made(codes=np.array([0, 0, 0, 1, 1, 2])).ipc is None
    assert made(codes=np.array([0, 0, 0, 1, 1, 1])).ipc is None  # the third has none
    assert made().ipc == 2
    nothing = made(codes=np.array([], np.int64), names=())
    assert nothing.ipc is None


@pytest.mark.parametrize(
    "change",
    [
        {"pixels": made().pixels + np.float32(1e-3)},
        {"codes": np.array([2, 2, 0, 0, 1, 0])},
        {"names": ("3", "11", "-5")},
        {"space": "unit"},
        {"mean": (0.3, 0.5, 0.25)},
        {"std": (0.2, 0.3, 0.125)},
        {"factor": 1},
        {"pixels": made().pixels.reshape(6, 3, 5, 4)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_is_of_all_that_training_sees(change):
    assert content_digest(replace(made(), **change)) != content_digest(made())


def test_digest_is_not_of_how_it_was_learned():
    assert content_digest(made(augmentation="none")) == content_digest(made())


def test_picture_to_look_at_is_clipped_and_rounded(tmp_path):
    values = np.array([[-0.3, 0.0, 1.0, 7.5], [0.5, 100.4 / 255, 100.6 / 255, 254.6 / 255]])
    pixels = np.float32(values)[None, None]
    grey = made(1, pixels=pixels, codes=np.array([0]), space="unit", factor=1)
    path = written(tmp_path, grey)
    picture = Image.open(io.BytesIO(pq.read_table(path)["image"][0].as_py()["bytes"]))
    assert picture.mode == "L"
    assert np.asarray(picture).tolist() == [[0, 0, 255, 255], [128, 100, 101, 255]]


def test_normalised_pixels_are_put_back_for_the_eye(tmp_path):
    bytes_ = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3))
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
    pixels = (((bytes_ / 255) - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    there = made(pixels=pixels, mean=tuple(mean), std=tuple(std))
    assert (visible(there) == bytes_).all()
    path = written(tmp_path, there)
    picture = Image.open(io.BytesIO(pq.read_table(path)["image"][4].as_py()["bytes"]))
    assert (np.asarray(picture) == bytes_[4]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_refused(tmp_path, bad):
    there = made()
    there.pixels[4, 1, 2, 3] = bad
    with pytest.raises(NotFinite, match=r"row 4 hold NaN or Inf \(1 of 6 rows\); distill again"):
        written(tmp_path, there)
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_are_not_finite_are_refused_when_read(tmp_path):
    path = written(tmp_path, made())
    table = pq.read_table(path)
    values = made().pixels.reshape(6, -1).copy()
    values[5, 7] = np.nan
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    rewritten(path, table.set_column(1, "pixels", lists))
    with pytest.raises(NotFinite, match="row 5"):
        read_synthetic(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pixels": np.zeros((6, 2, 4, 5), np.float32)}, "2 channels"),
        ({"mean": (0.5,)}, "not 3 numbers each"),
        ({"mean": (0.5, np.nan, 0.5)}, "not 3 numbers each"),
        ({"std": (0.5, 0.0, 0.5)}, "is not above 0"),
        ({"space": "lab"}, "'lab' is none of normalised, unit"),
        ({"factor": 0}, "factor 0"),
        ({"factor": 5}, "does not fit images of 4×5"),
        ({"names": ("3", "3", "-4")}, "two classes have one name"),
        ({"codes": np.array([0, 1])}, "2 labels of 3 classes do not go with 6 images"),
        ({"codes": np.array([0, 1, 2, 3, 0, 0])}, "6 labels of 3 classes"),
        ({"codes": np.array([0, 1, 2, -1, 0, 0])}, "6 labels of 3 classes"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(tmp_path, change, said):
    with pytest.raises(SchemaMismatch, match=said):
        written(tmp_path, made(**change))


def test_no_images_are_refused(tmp_path):
    with pytest.raises(ArtifactIncomplete, match="no images"):
        written(tmp_path, made(pixels=made().pixels[:0], codes=np.array([], np.int64)))


def test_only_what_was_written_here_is_a_synthetic_set(tmp_path):
    path = written(tmp_path, made())
    assert is_synthetic(path)
    text, table = tmp_path / "words.txt", tmp_path / "table.parquet"
    text.write_text("1\n2\n")
    pq.write_table(pa.table({"label": [1, 2]}), table)
    assert not is_synthetic(text)
    assert not is_synthetic(table)
    for other in (text, table):
        with pytest.raises(SchemaMismatch, match=r"is no synthetic set.*`coreset distill`"):
            read_synthetic(other)
    with pytest.raises(FileMissing):
        read_synthetic(tmp_path / "none.parquet")


def test_a_selection_is_no_synthetic_set(tmp_path):
    path = rewritten(written(tmp_path, made()), pa.table({"a": [1]}), {"inputs": []})
    assert not is_synthetic(path)
    with pytest.raises(SchemaMismatch, match="its manifest names no pixels"):
        read_synthetic(path)


def test_a_copy_without_its_footer_says_so(tmp_path):
    path = written(tmp_path, made())
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(SchemaMismatch, match=r"lacks its manifest.*may lose the footer"):
        read_synthetic(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = written(tmp_path, made())
    path.write_bytes(path.read_bytes()[:-200])
    for read in (read_synthetic, is_synthetic):
        with pytest.raises(ArtifactIncomplete, match="write it again"):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(ArtifactIncomplete, match="empty"):
        read_synthetic(path)


def test_a_flipped_byte_is_noticed(tmp_path):
    path = written(tmp_path, made())
    raw = bytearray(path.read_bytes())
    place = raw.index(made().pixels[3].tobytes())
    raw[place + 9] ^= 1
    path.write_bytes(raw)
    with pytest.raises((StaleParent, ArtifactIncomplete)):
        read_synthetic(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [3, 4]),
        ("shape", [3, 4, 6]),
        ("shape", [-3, -4, 5]),
        ("shape", "34"),
        ("shape", None),
        ("shape", [1e400, 1, 1]),
        ("mean", 4),
        ("mean", ["a", "b", "c"]),
        ("std", [0, 0, 0]),
        ("space", 3),
        ("factor", "two"),
        ("factor", -1),
        ("classes", ["a", "b"]),
        ("classes", 7),
    ],
)
def test_a_manifest_of_nonsense_is_refused(tmp_path, key, value):
    path = written(tmp_path, made())
    record = record_of(path)
    record["facts"]["synthetic"][key] = value
    rewritten(path, pq.read_table(path), record)
    with pytest.raises(SchemaMismatch, match="distill again"):
        read_synthetic(path)


@pytest.mark.parametrize("key", ["shape", "space", "mean", "std", "factor", "classes", "integers"])
def test_a_manifest_with_a_gap_is_refused(tmp_path, key):
    path = written(tmp_path, made())
    record = record_of(path)
    del record["facts"]["synthetic"][key]
    rewritten(path, pq.read_table(path), record)
    with pytest.raises(SchemaMismatch, match=key):
        read_synthetic(path)


@pytest.mark.parametrize("facts", [3, {"synthetic": 3}, {"synthetic": None}, {"synthetic": []}])
def test_facts_of_another_kind_are_refused(tmp_path, facts):
    path = written(tmp_path, made())
    record = {**record_of(path), "facts": facts}
    rewritten(path, pq.read_table(path), record)
    with pytest.raises(SchemaMismatch):
        read_synthetic(path)


@pytest.mark.parametrize("name", ["pixels", "label"])
def test_a_column_that_is_gone_is_refused(tmp_path, name):
    path = written(tmp_path, made())
    rewritten(path, pq.read_table(path).drop_columns([name]))
    with pytest.raises(SchemaMismatch, match=name):
        read_synthetic(path)


def test_rows_that_were_moved_or_relabelled_are_noticed(tmp_path):
    path = written(tmp_path, made())
    rewritten(path, pq.read_table(path).take([1, 0, 2, 3, 4, 5]))
    with pytest.raises(StaleParent, match="distill again"):
        read_synthetic(path)


def test_nulls_are_refused(tmp_path):
    path = written(tmp_path, made())
    table = pq.read_table(path)
    labels = pa.array([3, None, 3, 11, 3, 3], pa.int64())
    rewritten(path, table.set_column(2, "label", labels))
    with pytest.raises(SchemaMismatch, match="None"):
        read_synthetic(path)


def test_a_file_is_whole_or_absent(tmp_path):
    def fails() -> Manifest:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_synthetic(tmp_path / "syn.parquet", made(), fails)
    assert list(tmp_path.iterdir()) == []
