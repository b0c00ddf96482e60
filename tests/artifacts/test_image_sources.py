"""Every source of images, read from a file of its layout."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from coreset_cli.artifacts import named
from coreset_cli.artifacts.named import default_root, is_named, open_named, read_checked
from coreset_cli.artifacts.pictures import open_pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.errors import (
    ArtifactIncomplete,
    DataUnavailable,
    FileMissing,
    IdMismatch,
    InvalidParameter,
    SchemaMismatch,
)
from coreset_cli.io.image import encode_png
from coreset_cli.io.tar import TarIndex

RNG = np.random.default_rng(0)


def idx_bytes(values):
    sizes = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def family(folder, stem="train", *, n=6, pack=bytes, suffix=""):
    """Images and labels of the MNIST family."""
    folder.mkdir(parents=True, exist_ok=True)
    values = RNG.integers(0, 256, (n, 4, 5), dtype=np.uint8)
    labels = (np.arange(n) % 3).astype(np.uint8)
    images = folder / f"{stem}-images-idx3-ubyte{suffix}"
    images.write_bytes(pack(idx_bytes(values)))
    (folder / f"{stem}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return str(images), values, labels


def check(pictures, values, labels):
    found = load_pixels(pictures, channels=None, size=None).values
    assert np.array_equal(found, values.reshape(found.shape))
    assert [int(pictures.labels.names[code]) for code in pictures.labels.codes] == labels.tolist()
    assert pictures.ids.is_row_number
    assert len(pictures) == len(values)


@pytest.mark.parametrize(("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz")])
def test_idx_files_find_their_labels(tmp_path, pack, suffix):
    path, values, labels = family(tmp_path, pack=pack, suffix=suffix)
    check(open_pictures([path]), values, labels)


def test_several_idx_files_are_one_input(tmp_path):
    path, values, labels = family(tmp_path)
    other, more, others = family(tmp_path, "t10k", n=3)
    pictures = open_pictures([path, other])
    check(pictures, np.concatenate([values, more]), np.concatenate([labels, others]))
    taken = [image for images in pictures.take(np.array([7, 2])) for image in images]
    assert taken == [encode_png(more[1]), encode_png(values[2])]


def test_idx_files_of_other_names(tmp_path):
    path, values, labels = family(tmp_path)
    images = Path(path).rename(tmp_path / "train-images.idx3-ubyte")
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "train-labels.idx1-ubyte")
    check(open_pictures([str(images)]), values, labels)
    pictures = open_pictures([str(images.rename(tmp_path / "pictures"))])
    assert pictures.labels is None
    assert len(pictures) == 6


def test_idx_files_that_do_not_fit(tmp_path):
    path, _, labels = family(tmp_path)
    beside = tmp_path / "train-labels-idx1-ubyte"
    beside.write_bytes(idx_bytes(labels[:-1]))
    with pytest.raises(IdMismatch, match=r"5 labels.* 6 images"):
        open_pictures([path])
    beside.write_bytes(idx_bytes(labels)[:-1])
    with pytest.raises(ArtifactIncomplete, match="truncated"):
        open_pictures([path])
    beside.write_bytes(idx_bytes(labels))
    with pytest.raises(SchemaMismatch, match="name the file of images"):
        open_pictures([str(beside)])
    beside.unlink()
    other, _, _ = family(tmp_path, "t10k")
    with pytest.raises(SchemaMismatch, match="has no labels beside it"):
        open_pictures([path, other])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\1\2\3\4" * 10)
    with pytest.raises(SchemaMismatch, match="no IDX file"):
        open_pictures([path])


def test_a_folder_of_idx_files_asks_for_the_file(tmp_path):
    family(tmp_path)
    with pytest.raises(FileMissing, match=r"IDX files \(train-images-idx3-ubyte, train-labels"):
        open_pictures([str(tmp_path)])


def test_idx_has_no_columns(tmp_path):
    path, _, _ = family(tmp_path)
    with pytest.raises(InvalidParameter, match="row numbers"):
        open_pictures([path], ids="name")


def test_fashion_mnist(real_data):
    path = real_data / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    pictures = open_pictures([str(path)])
    values = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
    assert len(pictures) == 10_000
    assert (pictures.labels.counts() == 1000).all()
    rows = np.array([9999, 0, 1234])
    found = load_pixels(pictures, channels=None, size=None, rows=rows).values
    assert np.array_equal(found[..., 0], values.reshape(-1, 28, 28)[rows])


def test_cifar_as_parquet(real_data):
    path = real_data / "cifar10" / "test.parquet"
    pictures = open_pictures([str(path)])
    assert (pictures.labels.counts() == 1000).all()
    found = load_pixels(pictures, channels=None, size=None, rows=np.arange(50))
    assert found.values.shape == (50, 32, 32, 3)
    assert found.notes == ()
    labels = pq.read_table(path)["label"].to_numpy()
    assert np.array_equal(pictures.labels.codes, labels)


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")]
)
@pytest.mark.parametrize(("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz")])
def test_the_mnist_family_by_name(tmp_path, monkeypatch, name, folder, pack, suffix):
    raw = tmp_path / folder / "raw"
    _, values, labels = family(raw, pack=pack, suffix=suffix)
    _, tests, test_labels = family(raw, "t10k", n=3, pack=pack, suffix=suffix)
    check(open_pictures([f"{name}:train"], root=tmp_path), values, labels)
    monkeypatch.setenv("CORESET_DATA_DIR", str(tmp_path))
    check(open_pictures([f"{name}:test"]), tests, test_labels)


def test_names_and_files():
    assert is_named("mnist:train")
    assert is_named("svhn")
    assert not is_named("./mnist:train")
    assert not is_named("digits:train")
    assert not is_named("mnist.parquet")


def test_the_default_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "coreset" / "data"


@pytest.mark.parametrize("name", ["mnist", "mnist:trian", "cifar10:extra"])
def test_parts_that_do_not_exist(tmp_path, name):
    with pytest.raises(FileMissing, match=f"there are {name.partition(':')[0]}:train"):
        open_named(name, tmp_path)


@pytest.fixture
def offline(monkeypatch):
    """No server is reached: what asks for one is sent to a port where nobody listens."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist:train", "MNIST/raw/train-images-idx3-ubyte"),
        ("svhn:test", "test_32x32.mat"),
        ("cifar10:train", "cifar-10-batches-py/data_batch_1"),
        ("cifar100:test", "cifar-100-python/meta"),
    ],
)
def test_without_files_and_network_it_says_what_to_put_where(tmp_path, offline, name, file):
    start = time.monotonic()
    with pytest.raises(DataUnavailable) as error:
        open_pictures([name], root=tmp_path / "data")
    assert time.monotonic() - start < 5
    assert error.value.exit_code == 4
    for words in (name, file, str(tmp_path / "data"), "--root"):
        assert words in str(error.value)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of a small MNIST, of which torchvision is told address and MD5."""
    from torchvision import datasets

    (tmp_path / "served").mkdir()
    for stem in ("train", "t10k"):
        family(tmp_path / "served", stem, pack=gzip.compress, suffix=".gz")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            """No word of it."""

    handler = partial(Handler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}/"
        resources = [
            (file.name, hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest())
            for file in sorted((tmp_path / "served").iterdir())
        ]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
        here = replace(named.SETS["mnist"], url=url + resources[0][0])
        monkeypatch.setitem(named.SETS, "mnist", here)
        yield tmp_path / "served"
        running.shutdown()
        thread.join()


def test_what_is_missing_is_fetched_in_silence(tmp_path, server, capfd):
    pictures = open_pictures(["mnist:train"], root=tmp_path / "data")
    served = open_pictures([str(server / "train-images-idx3-ubyte.gz")])
    assert [i for _, i in pictures.batches()] == [i for _, i in served.batches()]
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["MNIST"]
    for file in server.iterdir():
        file.unlink()
    assert len(open_pictures(["mnist:test"], root=tmp_path / "data")) == 6  # now it is here


def test_a_fetch_that_fails_leaves_nothing(tmp_path, server):
    (server / "train-images-idx3-ubyte.gz").write_bytes(b"half a f")
    with pytest.raises(DataUnavailable, match="could not be fetched"):
        open_pictures(["mnist:train"], root=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_root_that_cannot_be_written(tmp_path, server):
    (tmp_path / "file").touch()
    with pytest.raises(DataUnavailable, match="mnist:train is not in"):
        open_pictures(["mnist:train"], root=tmp_path / "file")


def cifar_files(folder, batches, meta):
    """Files as CIFAR's authors wrote them, and the MD5 of each."""
    folder.mkdir(parents=True)
    sums = {}
    for name, content in {**batches, **meta}.items():
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        sums[name] = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return sums


def test_cifar_is_read_by_torchvision(tmp_path):
    """A small CIFAR: torchvision's own class, told the MD5 of these files instead of the real."""
    from torchvision.datasets import CIFAR10

    values = RNG.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    batches = {
        "data_batch_1": {"data": values[:2].reshape(2, -1), "labels": [3, 1]},
        "test_batch": {"data": values[2:].reshape(2, -1), "labels": [9, 0]},
    }
    meta = {"batches.meta": {"label_names": list("abc")}}
    sums = cifar_files(tmp_path / "cifar-10-batches-py", batches, meta)

    class Small(CIFAR10):
        train_list = (("data_batch_1", sums["data_batch_1"]),)
        test_list = (("test_batch", sums["test_batch"]),)
        meta = CIFAR10.meta | {"md5": sums["batches.meta"]}

    for train, rows, labels in ((True, slice(0, 2), [3, 1]), (False, slice(2, 4), [9, 0])):
        found = read_checked(lambda train=train: Small(tmp_path, train=train), "small", tmp_path)
        assert np.array_equal(found.values, values[rows].transpose(0, 2, 3, 1))
        assert found.labels.tolist() == labels


def test_svhn_is_read_by_torchvision(tmp_path):
    from torchvision.datasets import SVHN

    values = RNG.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    file = tmp_path / "test_32x32.mat"
    savemat(file, {"X": values.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [9]], np.uint8)})
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()

    class Small(SVHN):
        split_list = {"test": ["", file.name, md5]}  # noqa: RUF012 as torchvision has it

    found = read_checked(lambda: Small(tmp_path, split="test"), "small", tmp_path)
    assert np.array_equal(found.values, values)
    assert found.labels.tolist() == [0, 1, 9]


class Evil:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("cifar10:train", "cifar-10-batches-py"), ("cifar100:test", "cifar-100-python")],
)
def test_pickles_that_are_not_the_published_ones_are_never_opened(tmp_path, name, folder):
    batches = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]
    names = batches if name.startswith("cifar10:") else ["train", "test", "meta"]
    cifar_files(tmp_path / folder, dict.fromkeys(names, Evil(tmp_path / "witness")), {})
    with pytest.raises(ArtifactIncomplete, match="MD5") as error:
        open_pictures([name], root=tmp_path)
    assert error.value.exit_code == 3
    assert not (tmp_path / "witness").exists()
    pickle.loads((tmp_path / folder / names[0]).read_bytes())  # what would have happened
    assert (tmp_path / "witness").exists()


def test_digits_are_images_here_and_vectors_elsewhere():
    from sklearn.datasets import load_digits

    from coreset_cli.artifacts.embeddings import open_embeddings

    parts = [open_pictures([f"digits:{part}"]) for part in ("train", "test")]
    assert sum(map(len, parts)) == 1797
    whole = {row.tobytes(): label for row, label in zip(*load_digits(return_X_y=True), strict=True)}
    for part in parts:
        found = load_pixels(part, channels=None, size=None).values
        assert found.shape == (len(part), 8, 8, 1)
        levels = np.rint(found.reshape(len(part), 64) * (16 / 255))
        assert np.array_equal(np.rint(levels * 255 / 16), found.reshape(len(part), 64))
        for row, code in zip(levels, part.labels.codes, strict=True):
            assert whole[row.tobytes()] == int(part.labels.names[code])
        vectors = open_embeddings([part.path])
        values = np.concatenate([np.asarray(block) for _, block in vectors.matrix.blocks()])
        assert np.allclose(values, levels / 8 - 1)
        assert np.array_equal(vectors.labels.codes, part.labels.codes)
    both = open_pictures(["digits:train", "digits:test"])
    assert len(both) == 1797
    with pytest.raises(FileMissing, match="digits:train and digits:test"):
        open_pictures(["digits:all"])
    with pytest.raises(InvalidParameter, match="one kind"):
        open_pictures(["digits:train", "mnist:train"])


def test_only_the_image_of_a_shard_is_read(tmp_path, monkeypatch):
    image = encode_png(np.zeros((2, 2), np.uint8))
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for key in "ab":
            for name, content in (
                ("png", image),
                ("npy", b"x" * 100),
                ("json", b"\xff"),
                ("cls", b"1"),
            ):
                entry = tarfile.TarInfo(f"{key}.{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    pictures = open_pictures([str(tmp_path / "s.tar")])
    assert pictures.labels.names == ("1",)
    assert pictures.ids.values.to_pylist() == ["s/a", "s/b"]
    read = []
    real = TarIndex.read

    def noted(self, members):
        members = list(members)
        read.extend(member.extension for member in members)
        return real(self, members)

    monkeypatch.setattr(TarIndex, "read", noted)
    assert [images for _, images in pictures.batches()] == [[image, image]]
    assert set(read) == {"png"}
    read.clear()
    labels = [b.column("label").to_pylist() for b in pictures.data.scan(["label"], 1)]
    assert labels == [[1]]
    assert set(read) == {"cls"}


def test_a_folder_of_tables(tmp_path):
    import pyarrow as pa

    (tmp_path / "data").mkdir()
    for part in range(2):
        images = [{"bytes": bytes([part, i]), "path": None} for i in range(3)]
        table = pa.table({"img": images, "label": [part] * 3})
        pq.write_table(table, tmp_path / "data" / f"train-0000{part}-of-00002.parquet")
    pictures = open_pictures([str(tmp_path)])
    assert [i for _, images in pictures.batches() for i in images] == [
        bytes([part, i]) for part in range(2) for i in range(3)
    ]


def test_links_are_followed_and_pipes_refused(tmp_path):
    image = encode_png(np.zeros((2, 2), np.uint8))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.png").write_bytes(image)
    tree = tmp_path / "tree" / "cat"
    tree.mkdir(parents=True)
    (tree / "link.png").symlink_to(tmp_path / "elsewhere" / "real.png")
    (tree / "loop").symlink_to(tmp_path / "tree")
    pictures = open_pictures([str(tmp_path / "tree")])
    assert [images for _, images in pictures.batches()] == [[image]]
    (tree / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileMissing, match=r"gone\.png"):
        list(open_pictures([str(tmp_path / "tree")]).batches())
    (tree / "gone.png").unlink()
    os.mkfifo(tree / "pipe.png")
    with pytest.raises(FileMissing, match=r"pipe\.png is no file"):
        list(open_pictures([str(tmp_path / "tree")]).batches())


def test_names_with_a_line_break_are_refused(tmp_path):
    (tmp_path / "a\nb.png").write_bytes(b"")
    with pytest.raises(SchemaMismatch, match="line break"):
        open_pictures([str(tmp_path)])


def test_taking_rows_of_an_idx_file(tmp_path, run_cli):
    path, values, labels = family(tmp_path)
    (tmp_path / "sel.txt").write_text("4\n1\n")
    result = run_cli("take", tmp_path / "sel.txt", path, "-o", tmp_path / "out.parquet")
    assert result.code == 0, result.err
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["label"].to_pylist() == [int(labels[4]), int(labels[1])]
    images = [image["bytes"] for image in table["image"].to_pylist()]
    assert images == [encode_png(values[4]), encode_png(values[1])]
