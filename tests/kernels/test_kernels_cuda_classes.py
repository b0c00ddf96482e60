"""Chains of many classes in one launch: the picks of every class alone, in portable operations.

Triton must be told to interpret before it is loaded, so these tests run in a process of their own.
"""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from clouds import ignore, points_of
from diary import Diary

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.cuda import chain, classes
from coreset_cli.kernels.cuda.meeting import Meeting
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.matching import Matcher

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")

needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="runs where Triton interprets")

without_interpreter = pytest.mark.skipif(INTERPRETED, reason="has nothing to interpret")

SECONDS = 100

CLASSES = ((45, 6), (1, 1), (9, 9), (33, 5))
"""Rows and picks."""


@pytest.fixture(autouse=True)
def _tiles(monkeypatch):
    """Several tiles a class, and of columns; the last is not full."""
    monkeypatch.setattr(classes, "TILE_ROWS", 16)
    monkeypatch.setattr(classes, "TILE_COLUMNS", 32)


@pytest.fixture
def far(monkeypatch):
    """The processor counts as a device that the host should leave alone."""
    monkeypatch.setattr(chain, "DEVICES", {"cpu", "cuda"})


def cloud(n, d, seed):
    """Rows with ties, gross outliers, copies and zeros; ids in another order."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)).astype(np.float32)
    rows[3::7] *= np.float32(3e4)
    rows[[n // 5, n // 3]] = rows[n // 2]
    rows[-n // 4 : -n // 8] = 0
    return points_of(rows, ids=rng.permutation(n))


def matched(rule, scaled=False):
    def run(points, k, told=ignore, memo=None):
        points = points.unit() if scaled else points
        matcher = Matcher(mean(points), torch.zeros(points.d, dtype=torch.float64), rule)
        more = {} if memo is None else {"memo": memo}
        return matcher.pick(fixed(points), k, told, **more), matcher.theta.tolist()

    return run


def covered(points, k, told=ignore, memo=None):
    everything = fixed(points)
    more = {} if memo is None else {"memo": memo}
    first = everything.best(len(everything) // 2, 0.0)
    rows, radii = farthest_first(everything, k, first, told, **more)
    return rows, radii.tolist()


def at_once(works):
    """What each work gives, all members of one meeting; and how many chains each launch had."""
    launches, begin = [], threading.Barrier(len(works), timeout=SECONDS)

    def serve(chains):
        launches.append(len(chains))
        classes._launched(chains)

    meeting = Meeting(serve)

    def among(work):
        with classes.together(meeting):
            begin.wait()
            return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(among, work) for work in works]
        return [one.result(timeout=SECONDS) for one in futures], launches


@needs_interpreter
@pytest.mark.parametrize("d", [1, 70])
@pytest.mark.parametrize(
    "run",
    [matched("l2"), matched("dot"), matched("dot", scaled=True), covered],
    ids=["l2", "dot", "cosine", "cover"],
)
def test_classes_are_picked_from_as_each_alone(monkeypatch, request, run, d):
    clouds = [cloud(n, d, seed) for seed, (n, _) in enumerate(CLASSES)]
    assert any(fixed(points).rows.lifts.any() for points in clouds)
    expected = [run(points, k) for points, (_, k) in zip(clouds, CLASSES, strict=True)]
    request.getfixturevalue("far")
    monkeypatch.setattr(classes, "LAUNCH_BYTES", 200 * d)  # 2, 100, 11 and 3 picks of each
    works = [partial(run, points, k) for points, (_, k) in zip(clouds, CLASSES, strict=True)]
    assert at_once(works) == (expected, [4, 2, 1])


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_chains_of_two_widths_and_of_two_factors_share_no_line():
    works, expected = [], []
    for seed, (run, d) in enumerate(
        [(matched("l2"), 3), (matched("dot"), 3), (covered, 3), (matched("l2"), 64)]
    ):
        points = cloud(30, d, seed)
        works.append(partial(run, points, 6))
        expected.append(run(points, 6))  # alone: not a member
    assert at_once(works)[0] == expected


@needs_interpreter
@pytest.mark.parametrize("run", [matched("l2"), covered])
def test_a_class_goes_on_where_a_run_was_called_off(monkeypatch, request, run):
    points, diary = cloud(40, 3, 0), Diary()
    expected = run(points, 20)
    request.getfixturevalue("far")
    monkeypatch.setattr(classes, "LAUNCH_BYTES", 2 * 40 * 3 * 4)

    def call_off(done, k):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        at_once([partial(run, points, 20, call_off, diary)])
    assert len(diary.kept["picks"]) == 8
    found, launches = at_once([partial(run, points, 20, ignore, diary)])
    assert (found, launches) == ([expected], [1, 1, 1])


@needs_interpreter
@pytest.mark.usefixtures("far")
def test_one_pool_is_nobodys_class():
    points = fixed(cloud(30, 3, 0))
    assert not classes.holds(points)
    assert at_once([partial(classes.holds, points)])[0] == [True]
    assert not classes.holds(points)


@without_interpreter
@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("d", [1, 300, 512])
def test_the_kernels_compile_for_a_gpu_that_is_not_here(monkeypatch, tmp_path, capability, d):
    """And nothing is fused, and rows of 512 are loaded 16 bytes at a time from an address."""
    triton = pytest.importorskip("triton", "3.5")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from coreset_cli.kernels.cuda import whole

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for kernel, fields, barriers in ((whole.FOLLOW, 10, 1), (whole.REACH, 12, 2)):
        fixed_ones = {
            "fields": fields,
            "d": d,
            "height": 256,
            "width": min(64, 1 << d.bit_length()),
        }
        types = dict.fromkeys(fixed_ones, "constexpr") | {"table": "*i64"}
        source = ASTSource(kernel, types, fixed_ones, {(0,): [["tt.divisibility", 16]]})
        options = {"enable_fp_fusion": False, "num_warps": 8}
        code = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
        assembly = code.asm["ptx"]
        assert "fma.rn.f64" not in assembly
        assert "ld.global.nc" not in assembly  # what was written before must be seen,
        assert code.asm["ttir"].count("barrier") == barriers  # and by all threads
        if d == 512:
            assert assembly.count("ld.global.v4.b32") >= 8


@needs_triton
@without_interpreter
def test_classes_are_picked_from_alike_where_triton_interprets_the_kernels():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
