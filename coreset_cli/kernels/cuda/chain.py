"""Many picks without a word from the host.

A step reads from the device's own memory which row leads, takes it out, passes over all rows, and
writes which row leads next: `launch` in compiled kernels, `tensors` in tensor operations. `BATCH`
steps are recorded once as a CUDA graph and replayed; between two batches the host hears the picks.
Both give the bits of `portable`, whose argument of exactness (`fixed`) holds for them word by word.
"""

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from coreset_cli.kernels.cuda import tensors
from coreset_cli.kernels.cuda.track import Track
from coreset_cli.kernels.fixed import Fixed
from coreset_cli.kernels.loops import POWERS, Rounded

__all__ = ["compiles", "cover", "current", "far", "holds", "match", "values"]

BATCH = 64
"""Steps of a recorded graph."""

WORTH = 256
"""Steps from which recording them pays."""

DEVICES = {"cuda"}
"""Kinds of devices where the host is far away."""


def far(device: torch.device) -> bool:
    """Whether the host is far away from a device: it must be told many things at once."""
    return device.type in DEVICES


def holds(points: Fixed) -> bool:
    """Whether all rows are in the memory of one device, far from the host."""
    rows = points.rows
    alone = points.comm.size == 1 and len(rows) > 0
    return alone and far(rows.values.device) and far(rows.lifts.device)


def match(
    points: Fixed,
    state: Float64[Tensor, " n"],
    pull: Float64[Tensor, " n"],
    factor: int,
    first: int,
    k: int,
) -> Iterator[Int64[Tensor, " b"]]:
    """See `Several`."""
    rows = points.rows
    track = Track.starting(torch.tensor([first], device=state.device), 0.0, k)
    if compiles(state.device):
        from coreset_cli.kernels.cuda import launch  # loads Triton

        step: Callable[[], None] = launch.Match(rows, state, pull, factor, track)
    else:
        step = tensors.Match(rows, _powers(rows), state, pull, factor, track)
    for start, stop in _batches(step, k, state.device):
        yield track.picks[start:stop]


def cover(
    points: Fixed,
    nearest: Float64[Tensor, " n"],
    owner: Int32[Tensor, " n"],
    ranks: Int64[Tensor, " t"],
    k: int,
) -> Iterator[tuple[Int64[Tensor, " b"], list[float]]]:
    """See `Several`."""
    rows = points.rows
    before = rows.numbers(ranks)
    done = len(before) - 1
    track = Track.starting(before, float(nearest[before[-1]]), k)
    if compiles(nearest.device):
        from coreset_cli.kernels.cuda import launch  # loads Triton

        step: Callable[[], None] = launch.Cover(rows, nearest, owner, track)
    else:
        step = tensors.Cover(rows, _powers(rows), nearest, owner, track)
    for start, stop in _batches(step, k - done, nearest.device):
        which = slice(done + start, done + stop)
        yield track.picks[which], track.scores[which].tolist()


def values(rows: Rounded, index: Int64[Tensor, " m"]) -> Float64[Tensor, "m d"]:
    """Some rows in grid units, in the memory of the host: a loop over them must not launch."""
    chosen = rows.take(index)
    return (chosen.values.double() * _powers(chosen)[:, None]).cpu()


def _batches(step: Callable[[], None], k: int, device: torch.device) -> Iterator[tuple[int, int]]:
    """Make k steps; yield the first and the last of each batch that is under way."""
    graph = None
    for start in range(0, k, BATCH):
        stop = min(start + BATCH, k)
        with current(device):
            if graph is None and start and device.type == "cuda" and k - start >= WORTH:
                graph = _recorded(step)  # in the first batch all kernels were compiled
            if graph is not None and stop - start == BATCH:
                graph.replay()
            else:
                for _ in range(start, stop):
                    step()
        yield start, stop


def _recorded(step: Callable[[], None]) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    # what other threads do on the device meanwhile is none of its business
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        for _ in range(BATCH):
            step()
    return graph


def current(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches where torch is, not where the rows are."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def compiles(device: torch.device) -> bool:
    """Whether Triton is there to compile steps for a device, or to interpret them on another.

    It compiles for Ampere and later, and on a new machine it builds a small library first, with a
    C compiler and Python's headers.
    """
    if find_spec("triton") is None:
        return False
    if device.type != "cuda":
        return os.environ.get("TRITON_INTERPRET") == "1"
    compiler = os.environ.get("CC") or shutil.which("clang") or shutil.which("gcc")
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return bool(compiler) and header.exists() and torch.cuda.get_device_capability(device) >= (8, 0)


def _powers(rows: Rounded) -> Float64[Tensor, " n"]:
    return POWERS.to(rows.lifts.device)[rows.lifts.long()]
