"""Shards: which members make a sample, where their bytes lie, what is refused."""

import io
import tarfile

import pytest

from coreset_cli.errors import ArtifactIncomplete, FileMissing, IdMismatch, SchemaMismatch
from coreset_cli.io.tar import harmless_name, index_tar, split_key


def write_tar(path, members, end=True):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        offset = archive.offset
    if not end:
        with path.open("r+b") as file:
            file.truncate(offset)
    return path


@pytest.mark.parametrize(
    ("name", "key", "extension"),
    [
        ("a.jpg", "a", "jpg"),
        ("a.seg.png", "a", "seg.png"),
        ("x.y/a.jpg", "x.y/a", "jpg"),
        ("./a.cls", "./a", "cls"),
        ("README", "", ""),
        ("x/.hidden", "", ""),
    ],
)
def test_the_key_ends_at_the_first_dot_of_the_base_name(name, key, extension):
    assert split_key(name) == (key, extension)


def test_members_of_a_key_are_one_sample_even_apart(tmp_path):
    long = "d/" * 60 + "k.jpg"  # beyond the 100 bytes of a plain header
    members = [("a.jpg", b"A"), ("b.jpg", b"BB"), ("a.cls", b"7"), (long, b"x" * 1000)]
    index = index_tar(write_tar(tmp_path / "s.tar", members))
    assert index.keys.to_pylist() == ["a", "b", "d/" * 60 + "k"]
    read = {m.name: index.read([m])[0] for sample in range(3) for m in index.members(sample)}
    assert read == dict(members)
    assert [m.name for m in index.members(0)] == ["a.jpg", "a.cls"]


def test_links_and_nameless_entries_are_no_samples(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in [("l.jpg", tarfile.SYMTYPE), ("h.jpg", tarfile.LNKTYPE)]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        archive.addfile(tarfile.TarInfo("README"))
        archive.addfile(tarfile.TarInfo("a.txt"))
    index = index_tar(path)
    assert index.keys.to_pylist() == ["a"]
    assert index.skipped == 3


def test_a_member_twice_is_refused(tmp_path):
    path = write_tar(tmp_path / "s.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.jpg", b"3")])
    with pytest.raises(IdMismatch, match=r"s\.tar: member a\.jpg occurs twice"):
        index_tar(path)


@pytest.mark.parametrize("keep", [300, 512, 512 + 700, 2048, 2048 + 100, 2048 + 512 + 10])
def test_a_truncated_shard_is_refused_wherever_it_ends(tmp_path, keep):
    # Headers at 0 and 2048: cut in a header, in the data, at the edge of a member.
    path = write_tar(tmp_path / "s.tar", [("a.jpg", b"x" * 1500), ("b.jpg", b"y" * 600)])
    with path.open("r+b") as file:
        file.truncate(keep)
    with pytest.raises(ArtifactIncomplete, match=r"s\.tar is truncated"):
        index_tar(path)


def test_a_shard_without_its_end_is_refused(tmp_path):
    with pytest.raises(ArtifactIncomplete, match="no end of archive at byte 1024"):
        index_tar(write_tar(tmp_path / "s.tar", [("a.jpg", b"x")], end=False))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", ArtifactIncomplete, "is empty"),
        (b"\x1f\x8b" + b"0" * 600, SchemaMismatch, "gunzip"),
        (b"\x93NUMPY" + b"0" * 600, SchemaMismatch, "no tar archive"),
    ],
)
def test_what_is_no_shard_is_refused(tmp_path, data, error, words):
    path = tmp_path / "s.tar"
    path.write_bytes(data)
    with pytest.raises(error, match=words):
        index_tar(path)


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(FileMissing, match=r"gone\.tar"):
        index_tar(tmp_path / "gone.tar")


def test_an_empty_archive_has_no_samples(tmp_path):
    assert len(index_tar(write_tar(tmp_path / "s.tar", []))) == 0


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("./a//b.jpg", "./a//b.jpg"),
        ("/etc/passwd", "etc/passwd"),
        ("../../x.jpg", "x.jpg"),
        ("a/../../x.jpg", "a/x.jpg"),
        ("a..b/c.jpg", "a..b/c.jpg"),
    ],
)
def test_only_names_that_leave_the_folder_are_changed(name, safe):
    assert harmless_name(name) == safe
