"""Images of one stream, whatever their source; and the digest over what they hold."""

import io
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts import image_rows
from coreset_cli.artifacts.pictures import open_pictures, record_of
from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io import stream
from coreset_cli.io.image import encode_png

N = 11
IMAGES = [encode_png(np.full((3, 2 + i), i, np.uint8)) for i in range(N)]


def as_structs(images):
    return pa.array([None if i is None else {"bytes": i, "path": None} for i in images])


def flat(pictures, start=0):
    return [image for _, images in pictures.batches(start) for image in images]


def write(path, images, labels=None, **options):
    columns = {"image": as_structs(images), "label": labels or list(range(len(images)))}
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def tree(folder):
    for i, image in enumerate(IMAGES):
        place = folder / "tree" / f"class{i % 2}" / f"{i:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image)
    return str(folder / "tree")


def tar(folder):
    import tarfile

    for shard, rows in (("s0", range(6)), ("s1", range(6, N))):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for i in rows:
                for name, content in (("png", IMAGES[i]), ("cls", b"%d" % i), ("json", b"{}")):
                    entry = tarfile.TarInfo(f"{i:02}.{name}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    return [str(folder / "s0.tar"), str(folder / "s1.tar")]


def parquet(folder):
    (folder / "table").mkdir()
    write(folder / "table" / "0.parquet", IMAGES[:7], row_group_size=3)
    write(folder / "table" / "1.parquet", IMAGES[7:], list(range(7, N)), row_group_size=2)
    return str(folder / "table")


def idx_file(folder):
    values = np.arange(N * 6, dtype=np.uint8).reshape(N, 2, 3)
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    (folder / "train-images-idx3-ubyte").write_bytes(header + values.tobytes())
    return str(folder / "train-images-idx3-ubyte")


@pytest.mark.parametrize("make", [tree, tar, parquet, idx_file])
@pytest.mark.parametrize("block", [1, 300, 8 << 20])
def test_from_any_start_on_it_is_the_tail_of_all(tmp_path, monkeypatch, make, block):
    monkeypatch.setattr(stream, "BLOCK_BYTES", block)
    monkeypatch.setattr(image_rows, "BLOCK_BYTES", block)
    paths = make(tmp_path)
    pictures = open_pictures([paths] if isinstance(paths, str) else paths)
    everything = flat(pictures)
    assert len(everything) == len(pictures) == N
    if make is not idx_file:
        assert everything == (IMAGES if make is not tree else IMAGES[::2] + IMAGES[1::2])
    for start in range(N + 1):
        assert flat(pictures, start) == everything[start:]
        firsts = [(first, len(images)) for first, images in pictures.batches(start)]
        assert all(count for _, count in firsts)
        places = np.cumsum([start, *(count for _, count in firsts)]).tolist()
        assert [first for first, _ in firsts] == places[:-1]


@pytest.mark.parametrize("make", [tree, tar, parquet, idx_file])
def test_some_images_in_the_order_asked_for(tmp_path, make):
    paths = make(tmp_path)
    pictures = open_pictures([paths] if isinstance(paths, str) else paths)
    everything = flat(pictures)
    rows = np.array([9, 0, 4, 10])
    taken = [image for images in pictures.take(rows) for image in images]
    assert taken == [everything[row] for row in rows]


def test_the_digest_is_over_bytes_ids_and_labels_not_over_files(tmp_path):
    def digest(*paths, **names):
        return record_of(open_pictures(list(paths), **names)).content_digest

    one = digest(write(tmp_path / "one.parquet", IMAGES))
    assert digest(write(tmp_path / "groups.parquet", IMAGES, row_group_size=2)) == one
    other = write(tmp_path / "zstd.parquet", IMAGES, compression="zstd", use_dictionary=False)
    assert digest(other) == one
    parts = [
        write(tmp_path / "p0.parquet", IMAGES[:4], list(range(4))),
        write(tmp_path / "p1.parquet", IMAGES[4:], list(range(4, N))),
    ]
    assert digest(*parts) == one
    changed = [*IMAGES[:-1], encode_png(np.zeros((1, 1), np.uint8))]
    different = {
        digest(write(tmp_path / "bytes.parquet", changed)),
        digest(write(tmp_path / "null.parquet", [*IMAGES[:-1], None])),
        digest(write(tmp_path / "order.parquet", IMAGES[::-1])),
        digest(write(tmp_path / "labels.parquet", IMAGES, [*range(N - 1), 0])),
        digest(write(tmp_path / "fewer.parquet", IMAGES[:-1])),
        digest(*parts[::-1]),
    }
    assert len(different | {one}) == 7
    turned = write(tmp_path / "turned.parquet", IMAGES, list(range(N))[::-1])
    assert digest(turned, ids="label") != digest(turned)


def test_a_record_says_what_was_read(tmp_path):
    path = write(tmp_path / "one.parquet", IMAGES)
    seen = []
    record = record_of(open_pictures([path]), lambda done, total: seen.append((done, total)))
    assert (record.path, record.rows, record.dtype, record.row_number_ids) == (
        path,
        N,
        "image",
        True,
    )
    numbers = "".join(f"{i}\n" for i in range(N)).encode()
    assert record.ids_digest == sha256(numbers).hexdigest()
    assert seen[-1] == (N, N)


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        ({"picture": as_structs(IMAGES)}, None, "picture"),
        ({"a": as_structs(IMAGES), "img": as_structs(IMAGES)}, None, "img"),
        ({"img": as_structs(IMAGES), "image": as_structs(IMAGES)}, None, "image"),
        ({"image": IMAGES, "x": as_structs(IMAGES)}, None, "x"),
        ({"jpg": IMAGES, "label": range(N)}, None, "jpg"),
        ({"jpg": pa.array(IMAGES, pa.large_binary())}, None, "jpg"),
        ({"depth": IMAGES, "image": IMAGES}, None, "image"),
        ({"depth": IMAGES, "image": IMAGES}, "depth", "depth"),
    ],
)
def test_which_column_is_the_image(tmp_path, columns, named, expected):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    pictures = open_pictures([str(tmp_path / "t.parquet")], column=named)
    assert pictures.column == expected
    assert flat(pictures) == IMAGES
    assert expected not in pictures.columns.names


@pytest.mark.parametrize(
    ("columns", "named", "error", "words"),
    [
        ({"a": IMAGES, "b": IMAGES}, None, InvalidParameter, r"several .*\(a, b\)"),
        ({"x": range(N)}, None, SchemaMismatch, r"no column of images .* x \(int64\)"),
        ({"x": range(N), "image": IMAGES}, "img", InvalidParameter, "no column 'img'; it has x"),
        ({"x": range(N), "image": IMAGES}, "x", SchemaMismatch, "'x' is int64"),
    ],
)
def test_columns_that_are_no_image(tmp_path, columns, named, error, words):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(error, match=words):
        open_pictures([str(tmp_path / "t.parquet")], column=named)


def test_vectors_are_no_images(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((3, 2)))
    with pytest.raises(SchemaMismatch, match="holds vectors"):
        open_pictures([str(tmp_path / "v.npy")])


def test_only_tables_have_a_column_to_name(tmp_path):
    with pytest.raises(InvalidParameter, match="no column 'img'"):
        open_pictures([tree(tmp_path)], column="img")


def test_images_named_by_their_path_lie_beside_the_table(tmp_path):
    for folder, image in (("x", IMAGES[3]), ("y", IMAGES[4])):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "a.png").write_bytes(image)
        rows = [
            {"bytes": IMAGES[0], "path": "sub/a.png"},
            {"bytes": None, "path": "sub/a.png"},
            {"bytes": None, "path": "none.png"},
            None,
            {"bytes": None, "path": None},
            {"bytes": None, "path": "../secret.png"},
            {"bytes": None, "path": str(tmp_path / "secret.png")},
            {"bytes": None, "path": "sub"},
        ]
        pq.write_table(
            pa.table({"image": pa.array(rows, image_rows.IMAGE)}), tmp_path / folder / "t.parquet"
        )
    (tmp_path / "secret.png").write_bytes(b"secret")
    pictures = open_pictures([str(tmp_path / name / "t.parquet") for name in ("x", "y")])
    nothing = [None] * 6
    expected = [IMAGES[0], IMAGES[3], *nothing, IMAGES[0], IMAGES[4], *nothing]
    assert flat(pictures) == expected
    assert flat(pictures, 1) == expected[1:]
    taken = [image for images in pictures.take(np.array([9, 2, 1])) for image in images]
    assert taken == [IMAGES[4], None, IMAGES[3]]


def test_images_named_by_their_path_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(image_rows, "BLOCK_BYTES", 2 * len(IMAGES[0]) + 1)
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(IMAGES[0])
    rows = [{"bytes": None, "path": f"{i}.png"} for i in range(5)]
    table = pa.table({"image": pa.array(rows, image_rows.IMAGE)})
    pq.write_table(table, tmp_path / "t.parquet")
    pictures = open_pictures([str(tmp_path / "t.parquet")])
    assert [len(images) for _, images in pictures.batches()] == [2, 2, 1]
    assert flat(pictures) == [IMAGES[0]] * 5


def test_labels_of_another_column_or_file(tmp_path):
    path = write(tmp_path / "one.parquet", IMAGES, [i % 3 for i in range(N)])
    assert open_pictures([path]).labels.names == ("0", "1", "2")
    pq.write_table(pa.table({"a": ["x", "y"] * 5 + ["x"], "b": range(N)}), tmp_path / "l.parquet")
    assert open_pictures([path], label=f"{tmp_path}/l.parquet:a").labels.names == ("x", "y")


def test_real_photos(real_data):
    pictures = open_pictures([str(real_data / "tiny-imagenet-32" / "val.parquet")])
    assert len(pictures) == 5000
    assert pictures.labels is not None
    assert (pictures.labels.counts() == 25).all()
    table = pq.read_table(real_data / "tiny-imagenet-32" / "val.parquet")
    stored = [image["bytes"] for image in table["image"].to_pylist()]
    assert flat(pictures, 4000) == stored[4000:]
