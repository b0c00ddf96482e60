"""Rows on the grid, and the three ways to run a loop over them."""

import math

import numpy as np
import torch
from clouds import drawn

from coreset_cli.kernels.compiled import Compiled
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.loops import Loops, Rounded
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.portable import Portable

ALL = {"portable": Portable(), "serial": Compiled(parallel=False), "parallel": Compiled(True)}
SHAPES = [(0, 3), (1, 1), (3000, 1), (1537, 2), (513, 3), (1100, 511), (530, 512), (70, 8192)]
"""Beyond the rows of a chunk and of a batch of weighted sums, and below one."""


def usual_step(rows):
    """The step that `fixed` would take about the origin 0, nearly."""
    size = np.linalg.norm(rows.astype(np.longdouble), axis=1)
    return 14 - math.frexp(float(np.median(size)) if len(rows) and size.any() else 1.0)[1]


def rounded(loops: Loops, rows, *, origin=None, step=None) -> Rounded:
    n, d = rows.shape
    out = Rounded.empty(n, d, torch.device("cpu"))
    out.rank[:] = torch.from_numpy(np.random.default_rng(n).permutation(n))
    centre = np.zeros(d) if origin is None else origin
    loops.round_rows(
        torch.from_numpy(rows),
        torch.ones(n, dtype=torch.float64),
        torch.from_numpy(centre),
        usual_step(rows) if step is None else step,
        out,
    )
    return out


def grid_rows(kind, n, d, seed=0):
    return rounded(ALL["portable"], drawn(kind, n, d, seed))


def whole(rng, d, bits):
    """A vector of whole numbers of norm at most 2^bits, as large as that allows."""
    direction = rng.normal(size=d)
    vector = np.trunc(direction * (2.0**bits / np.linalg.norm(direction)))
    return torch.from_numpy(vector)


def integers(tensor):
    """[n, d] Python integers, which never overflow."""
    return tensor.numpy().astype(object)


def lifted(rows: Rounded):
    """[n, d] Python integers, the rows on the grid."""
    powers = np.array([1 << lift for lift in rows.lifts.tolist()], object)
    return integers(rows.values) * powers[:, None]


def in_bits(*tensors):
    return [tensor.numpy().tobytes() for tensor in tensors]


def all_the_same(run):
    """What one way of computing gives, after asserting that the others give the same bits."""
    first, *others = [run(loops) for loops in ALL.values()]
    assert all(other == first for other in others)
    return first


def first_of(score, rank):
    """The largest score, of equal ones the smallest rank."""
    return min(range(len(score)), key=lambda i: (-score[i], rank[i]), default=-1)


def held(points: Points):
    """[n, d] float64: what the rows are rounded to, where they were."""
    data = fixed(points)
    values = data.rows.values.numpy() * np.exp2(data.rows.lifts.numpy().astype(float))[:, None]
    return values / 2.0**data.grid.step + data.grid.origin.numpy()


def rounding(points: Points):
    """[n] how far each row may be from what it is rounded to: half a unit in every coordinate."""
    data = fixed(points)
    return np.sqrt(points.d) / 2 * 2.0 ** (data.rows.lifts.numpy() - float(data.grid.step))


def fraction(points: Points):
    """What distances are counted in: 2⁻¹² of a unit of the grid."""
    return 2.0 ** (-12 - fixed(points).grid.step)
