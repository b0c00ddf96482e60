"""Selections that are stopped and started again give what one run gives."""

import fcntl
import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import torch

from coreset_cli.commands import select_memo
from coreset_cli.commands.budget import Budget
from coreset_cli.commands.select import Request, select
from coreset_cli.commands.select_memo import Unfinished
from coreset_cli.compose import per_class
from coreset_cli.errors import FileMissing, InvalidParameter, OutputExists

N, K = 150, 60


class Stopped(Exception):
    """What a signal would raise."""


class Watch:
    """Takes note of picks done, and stops the run at one of them."""

    def __init__(self, at=None):
        self.at, self.told = at, []

    def __call__(self, stage, done, total):
        if stage != "selecting" or done == 0:
            return
        self.told.append(done)
        if self.at is not None and done >= self.at:
            raise Stopped


@pytest.fixture(autouse=True)
def _always_due(monkeypatch):
    monkeypatch.setattr(select_memo, "SECONDS", 0.0)


@pytest.fixture
def request_of(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(N, 5)).astype(np.float32))
    np.save(tmp_path / "y.npy", rng.choice(7, size=N, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]))

    def make(method="gm", *, labelled=False, count=K, seed=0, **settings):
        return Request(
            paths=(str(tmp_path / "x.npy"),),
            method=method,
            budget=Budget(ratio=None, count=count),
            settings=settings,
            label=str(tmp_path / "y.npy") if labelled else None,
            seed=seed,
        )

    return make


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out.npy.partial"


def run(request, folder, *, at=None, force=False, remove=False):
    """What a run selects, what it says, and the picks it tells of; nothing where it is stopped."""
    said, watch, found = [], Watch(at), None
    with Unfinished(folder, force=force, say=said.append) as unfinished:
        if at is None:
            found = select(request, watch, unfinished)
        else:
            with pytest.raises(Stopped):
                select(request, watch, unfinished)
        if remove:
            unfinished.remove()
    return found, said, watch.told


def same(one, other):
    assert one.rows.tolist() == other.rows.tolist()
    assert one.manifest.selection_digest == other.manifest.selection_digest
    assert one.manifest.facts == other.manifest.facts
    assert one.manifest.warnings == other.manifest.warnings
    assert (one.scores is None) == (other.scores is None)
    assert one.scores is None or one.scores.tolist() == other.scores.tolist()


METHODS = [
    ("gm", {}),
    ("gm", {"match": "cosine"}),
    ("gm", {"batches": "4", "theta0": "random"}),
    ("herding", {"match": "dot"}),
    ("k-center", {}),
]


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_goes_on_where_it_was_stopped(method, settings, labelled, request_of, folder):
    request = request_of(method, labelled=labelled, **settings)
    whole, said, told = run(request, None)
    assert (said, told) == ([], list(range(1, K + 1)))
    for at in (9, 33, 50):  # stopped three times, each time farther on
        run(request, folder, at=at)
    again, said, told = run(request, folder, remove=True)
    same(again, whole)
    assert said == [f"continuing: 49 of {K} picks are done"]
    assert 50 in told[:2]  # told first of the classes that are done, if there are classes
    assert told[-1] == K
    assert len(told) <= K - 48
    assert not folder.exists()


def test_classes_side_by_side_go_on(request_of, folder, monkeypatch):
    whole, _, _ = run(request_of("herding", labelled=True), None)
    monkeypatch.setattr(per_class, "SMALL", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for at in (9, 33, 50):
            run(request_of("herding", labelled=True), folder, at=at)
        again, said, told = run(request_of("herding", labelled=True), folder)
    finally:
        torch.set_num_threads(before)
    same(again, whole)
    done = int(said[0].split()[1])
    assert said == [f"continuing: {done} of {K} picks are done"]
    assert 40 <= done < 50  # a class that was just at work may lose the pick it was at
    assert sorted(told) == told
    assert told[-1] == K


def test_classes_that_are_done_are_one_file(request_of, folder):
    run(request_of("herding", labelled=True), folder, at=K)
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".npz") == [
        "class-6.npz",
        "picks.npz",
    ]


def test_a_short_run_leaves_nothing(request_of, folder, monkeypatch):
    monkeypatch.setattr(select_memo, "SECONDS", 30.0)
    run(request_of(), folder, at=K)
    assert not folder.exists()
    found, said, _ = run(request_of(), folder, remove=True)
    assert said == []
    assert len(found.rows) == K
    assert not folder.exists()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"method": "herding"}, "method was gm, now it is herding"),
        ({"count": 30}, "count was 60, now it is 30"),
        ({"seed": 1}, "seed was 0, now it is 1"),
        ({"method": "k-center"}, "method was gm, now it is k-center"),
        ({"match": "dot"}, "--set match was l2, now it is dot"),
        ({"labelled": True}, "balance was none, now it is proportional"),
    ],
)
def test_work_of_another_run_is_refused_and_named(other, words, request_of, folder):
    run(request_of(), folder, at=20)
    with pytest.raises(OutputExists, match=words) as refused:
        run(request_of(**other), folder)
    assert refused.value.exit_code == 2
    assert "--force" in str(refused.value)
    again, said, told = run(request_of(**other), folder, force=True)
    same(again, run(request_of(**other), None)[0])
    assert said == []
    assert told[0] == 1


def test_other_vectors_are_another_run(request_of, folder, tmp_path):
    run(request_of(), folder, at=20)
    vectors = np.load(tmp_path / "x.npy")
    vectors[7, 2] += 1
    np.save(tmp_path / "x.npy", vectors)
    with pytest.raises(OutputExists, match="input was"):
        run(request_of(), folder)


def test_another_version_is_another_run(request_of, folder):
    run(request_of(), folder, at=20)
    key = json.loads((folder / "select.json").read_text())
    (folder / "select.json").write_text(json.dumps({**key, "coreset": "0.0.1"}))
    with pytest.raises(OutputExists, match=r"coreset was 0\.0\.1"):
        run(request_of(), folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_what_is_damaged_is_picked_again_and_said(damage, request_of, folder):
    run(request_of("k-center"), folder, at=20)
    path = folder / "picks.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes({"cut": content[:-200], "flipped": content, "empty": b""}[damage])
    again, said, told = run(request_of("k-center"), folder)
    same(again, run(request_of("k-center"), None)[0])
    assert said == [f"{path} is damaged: what it held is picked again"]
    assert told[0] == 1


def test_what_an_end_without_warning_leaves_is_no_matter(request_of, folder):
    """A kill may leave a temporary file, and a class in its own file and in that of all."""
    run(request_of("herding", labelled=True), folder, at=40)
    (folder / ".picks.npz.0123abcd.part").write_bytes(b"half")
    again, _, _ = run(request_of("herding", labelled=True), folder, remove=True)
    same(again, run(request_of("herding", labelled=True), None)[0])
    assert not folder.exists()


def test_a_folder_of_something_else_is_left_alone(request_of, folder):
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(OutputExists, match="was not written by select"):
            run(request_of(), folder, force=force)
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [".bashrc", ".env.npz"])
def test_a_folder_of_hidden_files_is_left_alone(name, request_of, folder):
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(OutputExists, match="not written by select"):
        run(request_of(), folder, force=True, remove=True)
    assert (folder / name).read_text() == "mine"


def test_an_empty_folder_is_taken(request_of, folder):
    folder.mkdir()
    run(request_of(), folder, at=20)
    _, said, _ = run(request_of(), folder, remove=True)
    assert said == [f"continuing: 19 of {K} picks are done"]
    assert not folder.exists()


def test_a_folder_in_use_is_refused(request_of, folder):
    run(request_of(), folder, at=20)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputExists, match="another process is writing"):
            run(request_of(), folder)
    assert run(request_of(), folder)[2][0] == 20


def test_a_folder_that_cannot_be_is_refused_before_any_work(request_of, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "shards").mkdir()
    with pytest.raises(OutputExists):
        Unfinished(tmp_path / "file")
    with pytest.raises(FileMissing):
        Unfinished(tmp_path / "nowhere" / "job")
    with pytest.raises(InvalidParameter, match="lies in the input"):
        Unfinished(tmp_path / "shards" / "job", inputs=[str(tmp_path / "shards")])


def test_a_share_and_its_count_are_one_run(request_of, folder):
    run(request_of(), folder, at=20)
    share = replace(request_of(), budget=Budget(ratio=Decimal("0.4"), count=None))
    assert run(share, folder)[1] == [f"continuing: 19 of {K} picks are done"]


def test_a_run_that_cannot_keep_its_work_goes_on_and_says_so_once(request_of, tmp_path):
    request, said = request_of(), []
    whole = select(request, Watch())
    gone = tmp_path / "gone" / "work"  # nothing can be made in it
    gone.parent.mkdir()
    unfinished = Unfinished(gone, say=said.append)
    gone.parent.rmdir()
    with unfinished:
        found = select(request, Watch(), unfinished)
        unfinished.remove()
    assert found.rows.tolist() == whole.rows.tolist()
    assert len(said) == 1
    assert "not kept any more" in said[0]
    assert not gone.exists()
