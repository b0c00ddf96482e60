"""Classes on a device: their chains share launches, the picks are those of every class alone.

The processor stands for the device, and Triton interprets the kernels: it must be told to before it
is loaded, so these tests run in a process of their own. What only a GPU can show is marked `gpu`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from clouds import inputs_of
from crowd import Crowd

from coreset_cli.compose import per_class
from coreset_cli.compose.per_class import PerClass, at_once
from coreset_cli.kernels.cuda import chain, classes
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.k_center import KCenter
from coreset_cli.methods.random import Random
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, choose

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
GPU = torch.cuda.is_available()
CPU = torch.device("cpu")

needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="runs where Triton interprets")

without_interpreter = pytest.mark.skipif(INTERPRETED, reason="has nothing to interpret")

SIZES = (12, 7, 20, 16, 1, 9)


@pytest.fixture
def far(monkeypatch):
    """The processor counts as a device that the host should leave alone."""
    monkeypatch.setattr(chain, "DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(classes, "TILE_ROWS", 16)


def data_of(sizes=SIZES, **changes):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.random.default_rng(0).normal(size=(len(labels), 6)).astype(np.float32)
    rows[::9] *= 1e4
    return replace(inputs_of(rows, labels), **changes)


def found(method, data, k=30):
    picks = choose(PerClass(method=method), data, k, Rng(3))
    return picks.rows.tolist(), None if picks.scores is None else picks.scores.tolist(), picks.facts


@needs_interpreter
@pytest.mark.parametrize(
    "method", [Gm(), Gm(match="cosine"), Gm(batches=2), Herding(match="dot"), KCenter()]
)
def test_picks_are_those_of_the_processor(request, method):
    expected = found(method, data_of())
    request.getfixturevalue("far")
    assert found(method, data_of()) == expected
    assert found(method, data_of()) == expected


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Herding; before it picks from a class a test does something, and sees the class."""

    needs: ClassVar[frozenset] = Herding.needs
    exact: ClassVar[bool] = True
    prefix: ClassVar[bool] = True

    does: object = field(compare=False)

    def select(self, data: Inputs, k, rng):
        self.does(data, k)
        return Herding().select(data, k, rng)

    def cost(self, n, k):
        return Herding().cost(n, k)


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_classes_too_large_for_one_program_come_first_and_alone(monkeypatch):
    monkeypatch.setattr(classes, "PICK_BYTES", 2 * 6 * 3)  # 3 rows, times the classes at once
    seen = []

    def see(data, k):
        seen.append((data.n, threading.current_thread() is threading.main_thread()))

    found(Watched(does=see), data_of((40, 13, 12, 11, 20)), 25)
    # of five classes those of 15 rows could, but 40 and 20 are larger; of three left, those of 9
    assert sorted(seen) == [(11, True), (12, True), (13, True), (20, True), (40, True)]
    seen.clear()
    found(Watched(does=see), data_of((40, 8, 9, 7, 20)), 25)
    assert seen[:2] == [(40, True), (20, True)]
    assert sorted(seen[2:]) == [(7, False), (8, False), (9, False)]


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_so_many_classes_and_no_more_run_at_once(monkeypatch):
    monkeypatch.setattr(per_class, "AT_ONCE", 3)
    crowd = Crowd()
    found(Watched(does=crowd), data_of((5,) * 8), 8)
    assert crowd.most == 3


class Trouble(Exception):
    """Something of a method's own."""


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_a_failure_ends_classes_that_wait_for_it():
    def fail(data, k):
        if data.n == 7:
            time.sleep(0.3)  # the others have come to their chains, and wait
            raise Trouble("as it is")

    started = time.monotonic()
    with pytest.raises(Trouble, match=r"^as it is$"):
        found(Watched(does=fail), data_of())
    assert time.monotonic() - started < 10


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_an_interrupt_ends_classes_that_wait_for_one_another():
    main = threading.main_thread().ident

    def wait(data, k):
        if data.n == 7:
            time.sleep(0.3)
            signal.pthread_kill(main, signal.SIGINT)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                time.sleep(0.001)
                data.progress(0, k)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            found(Watched(does=wait), data_of())
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 10
    assert threading.active_count() == 1


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_classes_run_at_once_where_they_pick_in_chains():
    assert at_once(PerClass(method=Herding()), [10, 9], 6, CPU) == (0, classes.AT_ONCE)
    assert at_once(PerClass(method=Random()), [10, 9], 6, CPU) == (2, 1)


@without_interpreter
@pytest.mark.usefixtures("far")
def test_without_triton_classes_come_one_after_another():
    assert at_once(PerClass(method=Herding()), [10, 9], 6, CPU) == (2, 1)


@without_interpreter
@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
def test_classes_run_at_once_where_triton_interprets_the_kernels():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="needs a GPU")
@pytest.mark.parametrize("sizes", [(3000, 40, 700, 1, 700), (128,) * 40])
@pytest.mark.parametrize("method", ["gm", "gm --set match=cosine", "herding", "k-center"])
def test_a_gpu_selects_within_many_classes_as_the_processor_does(
    run_cli, tmp_path, make_points, sizes, method
):
    rows = make_points(sum(sizes), 24, 0)
    rows[::97] *= np.float32(1e5)
    np.save(tmp_path / "rows.npy", rows)
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    np.save(tmp_path / "labels.npy", codes)
    at = ("--label", tmp_path / "labels.npy", "--ratio", "0.3", "--method", *method.split())
    done = [
        run_cli("select", tmp_path / "rows.npy", *at, "--device", device)
        for device in ("cpu", "cuda")
    ]
    assert [one.code for one in done] == [0, 0], done[1].err
    assert done[0].digest == done[1].digest
