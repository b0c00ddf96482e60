"""Chains of picks, on the processor: in tensor operations, and in kernels that Triton interprets.

Triton must be told to interpret before it is loaded, so those tests run in a process of their own.
What only a GPU can show is marked `gpu`.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from clouds import KINDS, ignore, points_of
from diary import Diary
from grids import grid_rows, in_bits, whole
from torch._subclasses.fake_tensor import FakeTensorMode

from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.cuda import chain, stream, tensors
from coreset_cli.kernels.cuda.track import Track
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.loops import BATCH, Rounded
from coreset_cli.kernels.matching import Matcher
from coreset_cli.kernels.portable import Portable

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
GPU = torch.cuda.is_available()

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")

without_interpreter = pytest.mark.skipif(INTERPRETED, reason="has nothing to interpret")

PICKS = 8 if INTERPRETED else 150
"""A step takes the interpreter a twentieth of a second."""


def cloud(n, d):
    """Rows with ties, gross outliers and copies."""
    rows = np.random.default_rng(d).normal(size=(n, d)).astype(np.float32)
    rows[3::40] *= np.float32(3e4)
    rows[[5, 9, 20]] = rows[7]
    rows[-10:] = rows[:10]
    return rows


@pytest.fixture
def far(monkeypatch):
    """Call with True: the processor counts as a device that the host should leave alone."""

    def set_far(yes):
        monkeypatch.setattr(chain, "DEVICES", {"cpu", "cuda"} if yes else {"cuda"})

    return set_far


@pytest.fixture(autouse=True)
def _tiles(monkeypatch):
    """Several programs, of several tiles each, whose leaders are compared several times."""
    if INTERPRETED:
        from coreset_cli.kernels.cuda import launch

        monkeypatch.setattr(launch, "TILE_ROWS", 16)
        monkeypatch.setattr(launch, "TILE_COLUMNS", 32)
        monkeypatch.setattr(launch, "PARTS", 5)
        monkeypatch.setattr(launch, "LEADERS", 4)


def picked(points, rule, k):
    matcher = Matcher(mean(points), torch.zeros(points.d, dtype=torch.float64), rule)
    return matcher.pick(points=fixed(points), k=k, progress=ignore), matcher.theta.tolist()


@pytest.mark.parametrize("d", [1, 70])
@pytest.mark.parametrize("rule", ["l2", "dot"])
def test_a_chain_matches_as_single_picks_do(far, rule, d):
    points = points_of(cloud(150, d), ids=np.random.default_rng(1).permutation(150))
    assert fixed(points).rows.lifts.any()
    found = []
    for yes in (True, False):
        far(yes)
        found.append(picked(points, rule, PICKS))
    assert found[0] == found[1]


@pytest.mark.parametrize("d", [1, 70])
def test_a_chain_covers_as_single_picks_do(far, d):
    cloud_of_points = fixed(points_of(cloud(150, d), ids=np.random.default_rng(1).permutation(150)))
    found = []
    for yes in (True, False):
        far(yes)
        first = cloud_of_points.best(4, 0.0)
        rows, radii = farthest_first(cloud_of_points, PICKS, first, ignore)
        found.append((rows, radii.tolist()))
    assert found[0] == found[1]


def test_a_chain_ends_with_the_last_row(far):
    far(True)
    points = points_of(cloud(21, 2))
    assert sorted(picked(points, "l2", 21)[0]) == list(range(21))
    everything = fixed(points)
    rows, radii = farthest_first(everything, 21, everything.best(0, 0.0), ignore)
    assert sorted(rows) == list(range(21))
    assert all(radii[:-1] >= radii[1:])


def test_whoever_waits_hears_of_every_batch(far, monkeypatch):
    monkeypatch.setattr(chain, "BATCH", 5)
    far(True)
    heard = []
    points = points_of(cloud(40, 2))
    matcher = Matcher(mean(points), mean(points), "l2")
    matcher.pick(fixed(points), 12, lambda done, k: heard.append((done, k)))
    assert heard == [(5, 12), (10, 12), (12, 12)]


def matched(points, k, told, memo):
    return Matcher(mean(points), mean(points), "l2").pick(fixed(points), k, told, memo)


def covered(points, k, told, memo):
    everything = fixed(points)
    first = everything.best(4, 0.0)
    rows, radii = farthest_first(everything, k, first, told, memo)
    return rows, radii.tolist()


@without_interpreter
@pytest.mark.parametrize("run", [matched, covered])
@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True)])
def test_a_chain_goes_on_where_a_run_was_called_off(far, monkeypatch, run, before, after):
    monkeypatch.setattr(chain, "BATCH", 5)
    points, diary = points_of(cloud(60, 3)), Diary()
    far(False)
    expected = run(points, 40, ignore, Diary())

    def call_off(done, k):
        if done == 20:
            raise KeyboardInterrupt

    far(before)
    with pytest.raises(KeyboardInterrupt):
        run(points, 40, call_off, diary)
    assert len(diary.kept["picks"]) in (15, 19)
    far(after)
    assert run(points, 40, ignore, Diary(diary.kept)) == expected


@without_interpreter
def test_nothing_leaves_the_device_in_a_step():
    """On a device that torch makes up: it refuses to mix devices, and to tell the host a value."""
    n, d, k = 1000, 16, 50
    with FakeTensorMode(allow_non_fake_inputs=True):
        device = torch.device("cuda", 0)
        rows = Rounded.empty(n, d, device)
        track = Track.starting(torch.zeros(1, dtype=torch.int64, device=device), 0.0, k)
        state, pull, powers = torch.zeros(3, n, dtype=torch.float64, device=device)
        owner = torch.zeros(n, dtype=torch.int32, device=device)
        for step in (
            tensors.Match(rows, powers, state, pull, 2, track),
            tensors.Cover(rows, powers, state, owner, track),
        ):
            step()
        loops = Portable(stream.streamed, stream.BLOCK_VALUES)
        vector = torch.zeros(d, dtype=torch.float64, device=device)
        assert loops.products(rows, vector).device == device
        assert loops.norms(rows.values.float()).device == device


def in_chunks(values, device):
    return ((start, values[start : start + BATCH]) for start in range(0, len(values), BATCH))


@without_interpreter
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunks", [in_chunks, stream.streamed])
def test_rows_that_come_in_chunks_are_computed_with_alike(kind, chunks):
    rows = grid_rows(kind, 1200, 9)
    point = rows.take(slice(7, 8))
    vector = whole(np.random.default_rng(0), 9, 28)

    def run(loops):
        state, nearest = (torch.full((1200,), float(i), dtype=torch.float64) for i in (0, 1e300))
        owner = torch.zeros(1200, dtype=torch.int32)
        forces = loops.forces(rows, vector, 14)
        leaders = (
            loops.advance(rows, state, loops.products(rows, vector), point.values[0], 2.0),
            loops.cover(rows, nearest, owner, point, torch.zeros(1, dtype=torch.float64)),
        )
        sums = (forces.sums.tobytes(), forces.counts.tobytes(), forces.row, forces.distance)
        return in_bits(state, nearest, owner), leaders, sums

    assert run(Portable(chunks, 1 << 11)) == run(Portable())


@needs_triton
@without_interpreter
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("d", [1, 300, 512])
def test_the_kernels_compile_for_a_gpu_that_is_not_here(monkeypatch, tmp_path, capability, d):
    """And nothing is fused, and rows of 512 are loaded 16 bytes at a time."""
    triton = pytest.importorskip("triton", "3.5")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from coreset_cli.kernels.cuda import fused, launch

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    width = min(launch.TILE_COLUMNS, triton.next_power_of_2(d))
    constants = {"d": d, "height": launch.TILE_ROWS, "width": width, "factor": 2}
    for kernel in (fused.ADVANCE, fused.COVER, fused.SPACING, fused.CROWN):
        fixed_ones = constants if kernel is not fused.CROWN else {"width": launch.LEADERS}
        fixed_ones = {name: fixed_ones[name] for name in kernel.arg_names if name in fixed_ones}
        source = ASTSource(
            kernel,
            {name: TYPES.get(name, "constexpr") for name in kernel.arg_names},
            fixed_ones,
            {
                (i,): [["tt.divisibility", 16]]
                for i, name in enumerate(kernel.arg_names)
                if TYPES.get(name, "")[:1] == "*"
            },
        )
        target = GPUTarget("cuda", capability, 32)
        code = triton.compile(source, target=target, options={"enable_fp_fusion": False})
        assembly = code.asm["ptx"]
        assert "fma.rn.f64" not in assembly
        if d == 512 and kernel is not fused.CROWN:
            assert assembly.count("ld.global.v4.b32") >= 8


TYPES = {
    **dict.fromkeys(["n", "span", "parts"], "i32"),
    **dict.fromkeys(["state", "pull", "nearest", "spacing", "scores", "tops"], "*fp64"),
    **dict.fromkeys(["picks", "done", "ranks", "firsts", "leaders"], "*i64"),
    **dict.fromkeys(["owner", "squares"], "*i32"),
    **dict.fromkeys(["values", "lifts"], "*i16"),
}


@needs_triton
@without_interpreter
def test_the_kernels_pick_alike_where_triton_interprets_them():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def gpu(test):
    return pytest.mark.gpu(pytest.mark.skipif(not GPU, reason="needs a GPU")(test))


@pytest.fixture
def digests(tmp_path, run_cli, make_points):
    """Digests of a selection by a processor and by a GPU."""

    def select(n, d, *arguments):
        rows = make_points(n, d, 0)
        rows[::97] *= np.float32(1e5)
        np.save(tmp_path / "rows.npy", rows)
        np.save(tmp_path / "labels.npy", np.arange(n) % 3)
        done = [
            run_cli("select", tmp_path / "rows.npy", *arguments, "--device", device)
            for device in ("cpu", "cuda")
        ]
        assert [one.code for one in done] == [0, 0], done[1].err
        return [one.digest for one in done]

    return select


EXACT = [
    *(f"gm --set match={rule}" for rule in ("l2", "dot", "cosine")),
    *(f"herding --set match={rule}" for rule in ("l2", "dot", "cosine")),
    *("k-center", "easy", "hard", "moderate"),
]


@gpu
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("held", ["on the device", "by the host"])
def test_a_gpu_selects_as_the_processor_does(digests, monkeypatch, method, held):
    if held == "by the host":
        monkeypatch.setattr(stream, "SHARE", 0)
        monkeypatch.setattr(stream, "CHUNK_BYTES", 1 << 16)
    processor, device = digests(4000, 24, "--method", *method.split(), "-k", 400)
    assert processor == device


@gpu
@pytest.mark.parametrize("method", ["gm", "k-center"])
def test_a_gpu_selects_within_classes_as_the_processor_does(digests, tmp_path, method):
    labels = ("--label", tmp_path / "labels.npy")
    processor, device = digests(4000, 24, "--method", method, "-k", 900, *labels)
    assert processor == device


@gpu
def test_a_gpu_makes_ten_thousand_picks_as_the_processor_does(digests):
    processor, device = digests(20_000, 64, "--method", "herding", "-k", 10_000)
    assert processor == device


@gpu
def test_steps_in_tensor_operations_are_recorded_as_well(digests, monkeypatch):
    monkeypatch.setattr(chain, "compiles", lambda device: False)
    for method in ("herding", "k-center"):
        processor, device = digests(3000, 24, "--method", method, "-k", 600)
        assert processor == device
