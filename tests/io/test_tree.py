"""Folders of images: which files are found, and folders that are whole or absent."""

import pytest

from coreset_cli.errors import FileMissing
from coreset_cli.io.tree import copy_file, list_images, whole_folder


def fill(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_images_come_in_order_of_their_bytes_and_others_are_told(tmp_path):
    fill(tmp_path, ["b/1.png", "a/é.JPG", "a/z.jpeg", ".git/x.png", "a/.x.png", "a/notes.txt"])
    found = list_images(tmp_path)
    assert found.names == ("a/z.jpeg", "a/é.JPG", "b/1.png")
    assert found.passed_over == ("a/notes.txt",)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    fill(tmp_path, ["real/1.png", "root/b/2.png"])
    (tmp_path / "root" / "a").symlink_to(tmp_path / "real")
    (tmp_path / "root" / "b" / "up").symlink_to(tmp_path / "root")
    assert list_images(tmp_path / "root").names == ("a/1.png", "b/2.png")


def test_a_folder_is_whole_or_absent(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(IndexError), whole_folder(out) as part:
        [].pop((part / "a").write_text("1"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_replaced_stays_until_the_new_one_is_whole(tmp_path):
    out = tmp_path / "out"
    fill(out, ["old"])
    with pytest.raises(IndexError), whole_folder(out) as part:
        [].pop()
    assert (out / "old").exists()
    with pytest.raises(FileMissing), whole_folder(out) as part:
        part.rmdir()
    assert (out / "old").exists()
    with whole_folder(out) as part:
        (part / "new").write_text("1")
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_source_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileMissing, match=r"gone\.png"):
        copy_file(tmp_path / "gone.png", tmp_path / "copy.png")
