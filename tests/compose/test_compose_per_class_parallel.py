"""Classes side by side: the same picks, one progress, and an end that comes soon."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from clouds import inputs_of
from crowd import Crowd

from coreset_cli.compose import per_class
from coreset_cli.compose.per_class import PerClass
from coreset_cli.kernels.points import Points
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.k_center import KCenter
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Inputs, Picks, choose

SIZES = (40, 7, 90, 60, 33, 1, 50)


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    """Four threads, and classes that are worth them however small."""
    before = torch.get_num_threads()
    monkeypatch.setattr(per_class, "SMALL", 0)
    torch.set_num_threads(4)
    yield
    assert torch.get_num_threads() == 4, "the pool left torch with other threads"
    with ThreadPoolExecutor(1) as fresh:
        assert fresh.submit(torch.get_num_threads).result() == 4
    torch.set_num_threads(before)


def data_of(sizes=SIZES, **changes):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.random.default_rng(0).normal(size=(len(labels), 6)).astype(np.float32)
    return replace(inputs_of(rows, labels), **changes)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A method that does in every class what a test says, and takes the first rows."""

    does: Callable[[Inputs, int], None]
    exact: bool = True
    prefix: bool = True
    needs: frozenset = field(default_factory=frozenset)

    def select(self, data, k, rng):
        self.does(data, k)
        return Picks(rows=np.arange(k))

    def cost(self, n, k):
        return Cost()


@pytest.mark.parametrize("method", [Gm(), Gm(match="cosine"), Gm(batches=3), Herding(), KCenter()])
def test_picks_are_those_of_every_class_alone(method):
    data = data_of()
    found = choose(PerClass(method=method), data, 140, Rng(3))
    facts = []
    for label in range(len(SIZES)):
        rows = np.flatnonzero(data.labels.codes == label)
        places = np.flatnonzero(data.labels.codes[found.rows] == label)
        if not len(places):
            continue
        alone = choose(method, data.subset(rows, data.progress), len(places), Rng(3))
        assert found.rows[places].tolist() == rows[alone.rows].tolist()
        assert found.scores is None or found.scores[places].tolist() == alone.scores.tolist()
        facts.append(alone.facts)
    assert found.facts == {name: max(mine[name] for mine in facts) for name in facts[0]}


def test_classes_run_at_once_each_on_one_thread():
    meeting = threading.Barrier(4)
    serial = []

    def meet(data, k):
        serial.append(data.embeddings.serial)
        meeting.wait(timeout=20)

    choose(PerClass(method=Told(does=meet)), data_of((10,) * 8), 16, Rng(0))
    assert serial == [True] * 8


def test_progress_counts_all_classes_and_never_falls():
    told = []

    def step(data, k):
        for done in range(1, k + 1):
            time.sleep(0.0002)
            data.progress(done, k)

    data = data_of(progress=lambda done, total: told.append((done, total)))
    choose(PerClass(method=Told(does=step)), data, 100, Rng(0))
    assert told == [(done, 100) for done in range(1, 101)]


class Trouble(Exception):
    """Something of a method's own."""


def test_a_failure_ends_the_others_and_is_raised_as_it_is():
    begun = []

    def fail(data, k):
        begun.append(data.n)
        if data.n == 7:
            raise Trouble("as it is")
        until = time.monotonic() + 20
        while time.monotonic() < until:
            time.sleep(0.001)
            data.progress(1, k)

    started = time.monotonic()
    with pytest.raises(Trouble, match=r"^as it is$"):
        choose(PerClass(method=Told(does=fail)), data_of((10, 9, 8, 7, 6, 5, 4)), 20, Rng(0))
    assert time.monotonic() - started < 5
    assert begun.count(7) == 1
    assert sorted(begun)[-3:] == [8, 9, 10]  # the largest are begun first
    assert set(begun).isdisjoint({5, 4})  # and nothing is begun after the failure


def test_an_interrupt_ends_all_classes_soon():
    main = threading.main_thread().ident

    def wait(data, k):
        if data.n == 10:
            signal.pthread_kill(main, signal.SIGINT)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            time.sleep(0.001)
            data.progress(1, k)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            choose(PerClass(method=Told(does=wait)), data_of((10, 9, 8, 7, 6)), 20, Rng(0))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 5


def seen_by(data, *, exact=True):
    """Of every class: its size, was it given one thread, did it run on the caller's."""
    seen = []

    def see(inside, k):
        here = threading.current_thread() is threading.main_thread()
        seen.append((inside.n, inside.embeddings.serial, here))

    choose(PerClass(method=Told(does=see, exact=exact)), data, data.n // 2, Rng(0))
    return seen


def test_methods_that_are_not_exact_take_one_class_after_another():
    assert seen_by(data_of((9, 5, 8)), exact=False) == [
        (9, False, True),
        (5, False, True),
        (8, False, True),
    ]


def test_a_class_of_more_than_half_comes_first_on_all_threads():
    seen = seen_by(data_of((6, 40, 7, 8)))
    assert seen[0] == (40, False, True)
    assert sorted(seen[1:]) == [(6, True, False), (7, True, False), (8, True, False)]


def test_few_values_are_left_to_one_thread(monkeypatch):
    monkeypatch.setattr(per_class, "SMALL", 1 << 20)
    assert {seen[2] for seen in seen_by(data_of())} == {True}


@pytest.mark.parametrize(
    ("room", "at_once"),
    [(1 << 62, 4), (3 * 120, 3), (3 * 120 - 1, 2), (119, 1), (0, 1)],
)
def test_no_more_classes_at_once_than_there_is_room_for(room, at_once):
    data = data_of((10,) * 8)  # 10 rows of 6 values of 2 bytes
    points = Points(data.points._matrix, data.key, room=room)
    crowd = Crowd()
    choose(PerClass(method=Told(does=crowd)), replace(data, points=points), 16, Rng(0))
    assert crowd.most == at_once
