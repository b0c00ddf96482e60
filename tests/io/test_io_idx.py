import gzip
import hashlib
import struct

import numpy as np
import pytest

from coreset_cli.errors import ArtifactIncomplete, FileMissing, SchemaMismatch
from coreset_cli.io import idx
from coreset_cli.io.idx import open_idx, starts_like_idx


def idx_bytes(values, code=0x08):
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, code, values.ndim]) + sizes + values.tobytes()


SOME = np.random.default_rng(0).integers(0, 256, (5, 3, 4), dtype=np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("values", [SOME, SOME[0, 0], SOME[0], SOME[None]])
def test_values_come_back(tmp_path, pack, values):
    (tmp_path / "f").write_bytes(pack(idx_bytes(values)))
    found = open_idx(tmp_path / "f")
    assert found.dtype == np.uint8
    assert np.array_equal(found, values)


def test_a_small_block_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "BLOCK_BYTES", 7)
    (tmp_path / "f.gz").write_bytes(gzip.compress(idx_bytes(SOME)))
    assert np.array_equal(open_idx(tmp_path / "f.gz"), SOME)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.99])
def test_truncated(tmp_path, pack, kept):
    data = idx_bytes(SOME)
    (tmp_path / "inside").write_bytes(pack(data[: int(len(data) * kept)]))
    with pytest.raises(ArtifactIncomplete, match="inside is truncated"):
        open_idx(tmp_path / "inside")


def test_a_damaged_gzip(tmp_path):
    whole = gzip.compress(idx_bytes(SOME.repeat(99, 0)))
    for cut in (3, 12, len(whole) // 2, len(whole) - 5):
        (tmp_path / "f").write_bytes(whole[:cut])
        with pytest.raises(ArtifactIncomplete):
            open_idx(tmp_path / "f")
    wrong = bytearray(whole)
    wrong[-8] ^= 1  # the checksum
    (tmp_path / "f").write_bytes(wrong)
    with pytest.raises(ArtifactIncomplete, match="CRC"):
        open_idx(tmp_path / "f")
    wrong = bytearray(whole)
    wrong[12:40] = bytes(28)
    (tmp_path / "f").write_bytes(wrong)
    with pytest.raises(ArtifactIncomplete):
        open_idx(tmp_path / "f")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_longer_than_announced(tmp_path, pack):
    (tmp_path / "f").write_bytes(pack(idx_bytes(SOME) + b"x"))
    with pytest.raises(SchemaMismatch, match="more bytes than its header"):
        open_idx(tmp_path / "f")


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path, monkeypatch):
    written = []

    class Counted:
        def __init__(self, file):
            self.file = file

        def write(self, block):
            written.append(len(block))
            return self.file.write(block)

        def __getattr__(self, name):
            return getattr(self.file, name)

    real = idx.temporary_file

    class Folder:
        def __enter__(self):
            self.inner = real()
            return Counted(self.inner.__enter__())

        def __exit__(self, *error):
            return self.inner.__exit__(*error)

    monkeypatch.setattr(idx, "temporary_file", Folder)
    (tmp_path / "f").write_bytes(gzip.compress(idx_bytes(SOME) + bytes(50_000_000)))
    with pytest.raises(SchemaMismatch, match="more bytes"):
        open_idx(tmp_path / "f")
    assert sum(written) == SOME.size


def test_a_header_that_promises_too_much_is_refused_at_once(tmp_path):
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 28, 28)
    for data in (header + bytes(100), gzip.compress(header + bytes(100))):
        (tmp_path / "f").write_bytes(data)
        with pytest.raises(ArtifactIncomplete, match=r"bytes for \[4294967295, 28, 28\] values"):
            open_idx(tmp_path / "f")


@pytest.mark.parametrize(
    "data",
    [b"PAR1aaaaaaaaaaaa", b"\0\0\x08\x09" + bytes(40), idx_bytes(SOME.astype(">i4"), 0x0C),
     idx_bytes(SOME[:0]), gzip.compress(b"a text in a gzip file", mtime=0)],
)  # fmt: skip
def test_what_is_no_idx_of_bytes(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(SchemaMismatch):
        open_idx(tmp_path / "f")


def test_missing(tmp_path):
    with pytest.raises(FileMissing):
        open_idx(tmp_path / "none")


@pytest.mark.parametrize(
    ("start", "is_idx"),
    [
        (b"\0\0\x08\x03", True),
        (b"\0\0\x0d\x01", True),
        (b"\x1f\x8b", True),
        (b"\0\0\x08\x00", False),
        (b"\0\0\x07\x03", False),
        (b"\0\0\x08", False),
        (b"\x93NUMPY", False),
    ],
)
def test_first_bytes(start, is_idx):
    assert starts_like_idx(start) == is_idx


def test_fashion_mnist_is_byte_for_byte_the_original(real_data):
    sums = {
        "train": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "t10k": "8181f5470baa50b63fa0f6fddb340f0a",
    }
    for part, expected in sums.items():
        found = open_idx(real_data / f"fashion-mnist/{part}-images-idx3-ubyte.gz")
        digest = hashlib.md5(idx_bytes(np.asarray(found)), usedforsecurity=False)
        assert digest.hexdigest() == expected
