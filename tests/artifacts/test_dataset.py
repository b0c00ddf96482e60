"""What DATA is taken for, and rows read in small batches whatever the kind."""

import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts import image_rows
from coreset_cli.artifacts.dataset import open_dataset
from coreset_cli.artifacts.images import TarData, TreeData, class_of
from coreset_cli.artifacts.tables import TableData, VectorData
from coreset_cli.errors import FileMissing, InvalidParameter, SchemaMismatch


def silent(done, total):
    """No progress."""


def read_all(data, rows):
    reader = data.read(np.array(rows), silent)
    return reader.schema, list(reader)


def make_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.npy", "b.npy"], VectorData),
        (["a.parquet"], TableData),
        (["data/train-00000-of-00001.parquet"], TableData),
        (["a.tar", "other.txt"], TarData),
        (["cat/1.png", "dog/2.jpeg"], TreeData),
        (["1.png"], TreeData),
        (["img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"], VectorData),
    ],
)
def test_a_folder_is_known_by_what_is_in_it(tmp_path, names, kind):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, np.ones((3, 2)))
        elif path.suffix == ".parquet":
            pq.write_table(pa.table({"x": [1, 2, 3]}), path)
        elif path.suffix == ".tar":
            make_tar(path, {"k.txt": b"1"})
        else:
            path.touch()
    assert isinstance(open_dataset([str(tmp_path)]), kind)


def test_ids_are_paths_and_shard_keys(tmp_path):
    for folder in "ab":
        (tmp_path / "tree" / folder).mkdir(parents=True)
        (tmp_path / "tree" / folder / "1.png").touch()
    (tmp_path / "tars").mkdir()
    for shard in ("x.1", "y"):
        make_tar(
            tmp_path / "tars" / f"{shard}.tar", {"d/k.a.jpg": b"", "d/k.cls": b"1", "l.b": b""}
        )
    tree = open_dataset([str(tmp_path / "tree")])
    tars = open_dataset([str(tmp_path / "tars")])
    assert tree.ids.values.to_pylist() == ["a/1.png", "b/1.png"]
    assert tars.ids.values.to_pylist() == ["x.1/d/k", "x.1/l", "y/d/k", "y/l"]
    assert not tree.ids.is_row_number
    assert not tars.ids.is_row_number


def test_files_are_read_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(image_rows, "BLOCK_BYTES", 100)
    sizes = [60, 40, 1, 300, 50, 50, 50]
    (tmp_path / "c").mkdir()
    for number, size in enumerate(sizes):
        (tmp_path / "c" / f"{number}.png").write_bytes(bytes([number]) * size)
    make_tar(tmp_path / "t.tar", {f"{i}.png": bytes([i]) * size for i, size in enumerate(sizes)})
    for path in (tmp_path / "c", tmp_path / "t.tar"):
        _, batches = read_all(open_dataset([str(path)]), range(7))
        assert [len(batch) for batch in batches] == [2, 1, 1, 2, 1]
        read = [image["bytes"] for batch in batches for image in batch["image"].to_pylist()]
        assert read == [bytes([i]) * size for i, size in enumerate(sizes)]


def test_bytes_are_read_only_when_asked_for(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    data = open_dataset([str(tmp_path)])
    reader = data.read(np.array([0]), silent)
    (tmp_path / "0.png").write_bytes(b"later")
    assert next(iter(reader))["image"][0].as_py()["bytes"] == b"later"
    (tmp_path / "1.png").unlink()
    with pytest.raises(FileMissing, match=r"1\.png"):
        list(data.read(np.array([1]), silent))


@pytest.mark.parametrize(
    ("name", "label"), [("cat/1.png", "cat"), ("cat/x/1.png", "cat"), ("1.png", None)]
)
def test_the_class_is_the_first_folder(name, label):
    assert class_of(name) == label


def test_a_flat_folder_has_no_labels(tmp_path):
    (tmp_path / "1.png").touch()
    schema, _ = read_all(open_dataset([str(tmp_path)]), [0])
    assert schema.names == ["id", "image"]


def test_files_that_stay_behind_are_told(tmp_path):
    (tmp_path / "1.png").touch()
    (tmp_path / "notes.md").touch()
    assert "notes.md" in open_dataset([str(tmp_path)]).warnings[0]
    make_tar(tmp_path / "t.tar", {"README": b"", "k.jpg": b""})
    assert "1 entries" in open_dataset([str(tmp_path / "t.tar")]).warnings[0]


def test_the_plainest_image_is_the_image(tmp_path):
    make_tar(tmp_path / "t.tar", {"k.mask.png": b"mask", "k.png": b"png", "k.webp": b"webp"})
    _, batches = read_all(open_dataset([str(tmp_path / "t.tar")]), [0])
    assert batches[0].to_pylist() == [
        {"id": "t/k", "image": {"bytes": b"png", "path": "k.png"}}
        | {"mask.png": b"mask", "webp": b"webp"}
    ]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"k.id": b"1"}, "k.id would be a second column 'id'"),
        ({"k.txt": b"\xff"}, "k.txt is not UTF-8"),
    ],
)
def test_members_that_fit_no_column(tmp_path, members, words):
    make_tar(tmp_path / "t.tar", members)
    data = open_dataset([str(tmp_path / "t.tar")])
    with pytest.raises(SchemaMismatch, match=words):
        read_all(data, [0])


def test_samples_without_a_member_have_a_null(tmp_path):
    make_tar(tmp_path / "t.tar", {"a.jpg": b"1", "a.cls": b"3", "b.jpg": b"2", "b.txt": b"t"})
    _, batches = read_all(open_dataset([str(tmp_path / "t.tar")]), [1, 0])
    assert [(r["label"], r["txt"]) for r in batches[0].to_pylist()] == [(None, "t"), (3, None)]


def test_vectors_come_with_their_columns_a_block_at_a_time(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 1 << 19))
    np.save(tmp_path / "v.npy", vectors)  # 4 MB a row, 8 MB a block
    beside = pa.table({"label": [None, 1, 2, 3, 4]})
    pq.write_table(beside, tmp_path / "v.npy.meta.parquet")
    schema, batches = read_all(open_dataset([str(tmp_path / "v.npy")]), [4, 0, 2])
    assert [len(batch) for batch in batches] == [2, 1]
    assert schema.field("embedding").type == pa.list_(pa.float64(), 1 << 19)
    table = pa.Table.from_batches(batches)
    np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), vectors[[4, 0, 2]])
    assert table["label"].to_pylist() == [4, None, 2]


def test_a_column_named_must_hold_vectors(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidParameter, match="no column 'y'"):
        open_dataset([str(tmp_path / "a.parquet")], column="y")
