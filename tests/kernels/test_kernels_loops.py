"""The loops are the same function thrice: in tensors, compiled, and compiled for all threads."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn
from grids import (
    ALL,
    SHAPES,
    all_the_same,
    first_of,
    grid_rows,
    in_bits,
    integers,
    lifted,
    rounded,
    usual_step,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.kernels import compiled
from coreset_cli.kernels.loops import LARGEST, LIMIT, Rounded, norm_bits
from coreset_cli.kernels.portable import Portable

each = pytest.mark.parametrize("loops", ALL.values(), ids=ALL)
SMALL = {"n": st.integers(0, 30), "d": st.integers(1, 9), "seed": st.integers(0, 10**6)}

kinds = pytest.mark.parametrize("kind", KINDS)
shapes = pytest.mark.parametrize(("n", "d"), SHAPES)
few = settings(max_examples=15, deadline=None)


@pytest.fixture(autouse=True)
def _many_chunks(monkeypatch):
    """Several chunks also where rows are few and short."""
    monkeypatch.setattr(compiled, "CHUNK_BYTES", 1 << 12)


@kinds
@shapes
def test_rounding_is_the_same(kind, n, d):
    rows = drawn(kind, n, d)
    origin = rows[: n // 2 + 1].mean(0, np.float64) if n else np.zeros(d)

    def run(loops):
        out = rounded(loops, rows, origin=origin)
        return in_bits(out.values, out.lifts, out.squares)

    all_the_same(run)


@kinds
@given(**SMALL)
@few
def test_a_row_is_rounded_half_to_even_by_the_least_lift(kind, n, d, seed):
    rows, rng = drawn(kind, n, d, seed), np.random.default_rng(seed)
    origin, divisors = rng.normal(size=d), rng.choice([1.0, 3.0], n)
    step = usual_step(rows)
    out = Rounded.empty(n, d, torch.device("cpu"))
    ALL["serial"].round_rows(
        torch.from_numpy(rows), torch.from_numpy(divisors), torch.from_numpy(origin), step, out
    )
    exact = rows.astype(float) / divisors[:, None] - origin  # two operations, rounded as IEEE says
    for i, row in enumerate(exact):
        lift = 0
        while True:
            scale = Fraction(2) ** (step - lift)
            values = [round(Fraction(value) * scale) for value in row.tolist()]
            square = sum(value * value for value in values)
            if max(map(abs, values)) <= LARGEST and square <= LIMIT:
                break
            lift += 1
        assert out.values[i].tolist() == values
        assert (int(out.lifts[i]), int(out.squares[i])) == (lift, square)


def test_halves_go_to_the_even_value_also_at_the_edge():
    rows = np.float32([[0.5], [1.5], [-2.5], [32766.5], [32767], [32767.5], [-32767.5], [65535]])
    for loops in ALL.values():
        out = rounded(loops, rows, step=0)
        assert out.values[:, 0].tolist() == [0, 2, -2, 32766, 32767, 16384, -16384, 32767 + 1 >> 1]
        assert out.lifts.tolist() == [0, 0, 0, 0, 0, 1, 1, 2]


@each
@pytest.mark.parametrize("d", [1, 2, 4, 8192])
def test_the_norm_of_a_rounded_row_fits(loops, d):
    """Rows whose values are in bounds but whose norm is just within, at and over it."""
    value = 2.0**15 / math.sqrt(d)
    rows = np.float32([[value * scale] * d for scale in (0.99, 1.0, 1.01, 2.1)])
    out = rounded(loops, rows, step=0)
    square = (integers(out.values) ** 2).sum(1)
    assert out.squares.tolist() == square.tolist()
    assert max(square) <= LIMIT
    assert out.lifts.tolist() == ([0, 1, 1, 2] if d == 1 else [0, 0, 1, 2])


@kinds
@shapes
def test_norms(kind, n, d):
    rows = torch.from_numpy(drawn(kind, n, d))
    all_the_same(lambda loops: in_bits(loops.norms(rows)))
    all_the_same(lambda loops: in_bits(loops.norms(rows.double() - 1 / 3)))
    exact = np.linalg.norm(rows.numpy().astype(np.longdouble), axis=1)
    # a value is rounded by half of 2^-bits of the power of two above the largest, so below 2^-bits
    bound = math.sqrt(d) * 2.0 ** -norm_bits(d) + 2.0**-50
    assert (np.abs(Portable().norms(rows).numpy() - exact) <= bound * exact).all()


def test_norms_worked_by_hand():
    rows = torch.tensor([[3.0, 4], [0, 0], [1e-45, 0], [3e38, -4e37], [-5e-40, 12e-40]])
    found = [list(loops.norms(rows)[:3]) for loops in ALL.values()]
    assert found == [[5, 0, float(np.float32(1e-45))]] * 3


@kinds
@shapes
def test_products_are_exact(kind, n, d):
    rows = grid_rows(kind, n, d)
    vector = whole(np.random.default_rng(d), d, 37)
    found = all_the_same(lambda loops: loops.products(rows, vector).tolist())
    some = slice(0, n, max(1, n * d // 20000))
    expected = lifted(rows.take(some)) @ np.array([int(v) for v in vector.tolist()], object)
    assert found[some] == [float(value) for value in expected]


@each
@pytest.mark.parametrize("d", [1, 2, 511, 8192])
def test_the_largest_products_there_are(loops, d):
    """One-hot rows at the edge, rows of equal values, and the negatives of both."""
    edge = min(LARGEST, math.isqrt(LIMIT))
    flat = min(LARGEST, math.isqrt(LIMIT // d))
    values = np.zeros((4, d), np.int16)
    values[0, -1], values[1, -1], values[2], values[3] = edge, -edge, flat, -flat
    rows = Rounded(
        torch.from_numpy(values),
        torch.zeros(4, dtype=torch.int16),
        torch.from_numpy((values.astype(np.int64) ** 2).sum(1).astype(np.int32)),
        torch.arange(4),
    )
    assert int(rows.squares.max()) <= LIMIT
    exact = values.astype(object)
    for i in range(4):
        state, nothing = torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
        loops.advance(rows, state, nothing, rows.values[i], 2.0)
        assert state.tolist() == [-2 * int(product) for product in exact @ exact[i]]
        nearest = torch.full((4,), math.inf, dtype=torch.float64)
        owner = torch.zeros(4, dtype=torch.int32)
        loops.cover(rows, nearest, owner, rows.take(slice(i, i + 1)), torch.zeros(1).double())
        assert nearest.tolist() == [int(away) for away in ((exact - exact[i]) ** 2).sum(1)]
        long = torch.from_numpy(values[i].astype(float)) * 2**22  # norm 2³⁷
        assert loops.products(rows, long).tolist() == [float(p << 22) for p in exact @ exact[i]]


@each
def test_where_there_are_no_rows_none_leads(loops):
    rows, nothing = grid_rows("isotropic", 0, 3), torch.empty(0, dtype=torch.float64)
    point = grid_rows("isotropic", 1, 3)
    assert loops.advance(rows, nothing, nothing, point.values[0], 2.0) == -1
    owner = torch.empty(0, dtype=torch.int32)
    assert loops.cover(rows, nothing, owner, point, torch.zeros(1).double()) == -1
    assert loops.forces(rows, torch.ones(3).double(), 3).row == -1


@kinds
@shapes
@pytest.mark.parametrize("factor", [1, 2])
def test_advancing(kind, n, d, factor):
    rows, rng = grid_rows(kind, n, d), np.random.default_rng(d)
    start = torch.from_numpy(rng.choice([0.0, 2.0**30 + 2.0**-12], n))  # many ties
    start[n // 2 : n // 2 + 1] = -math.inf  # picked before
    pull = torch.from_numpy(rng.choice([0.0, -(2.0**20) - 2.0**-12], n))
    ordinary = (rows.lifts == 0).numpy()
    points = torch.from_numpy(np.flatnonzero(ordinary)[:3])

    def run(loops):
        state = start.clone()
        steps = [rows.values[point] for point in points]
        leaders = [loops.advance(rows, state, pull, step, float(factor)) for step in steps]
        return state.tolist(), leaders

    state, leaders = all_the_same(run)
    assert leaders[-1:] == [first_of(state, rows.rank.tolist())][: len(points)]
    total = lifted(rows.take(points)).sum(0) if len(points) else np.zeros(d, object)
    for i in np.flatnonzero(ordinary)[:50]:
        if state[i] > -math.inf:  # nothing is rounded: equal to the sum of exact numbers
            away = len(points) * Fraction(pull[i].item()) - factor * int(
                integers(rows.values[i]) @ total
            )
            assert Fraction(state[i]) == Fraction(start[i].item()) + away


@kinds
@shapes
def test_covering(kind, n, d):
    rows = grid_rows(kind, n, d)
    picks = torch.from_numpy(np.random.default_rng(n).permutation(n)[:6])
    exact = lifted(rows.take(slice(0, 200)))

    def run(loops):
        nearest = torch.full((n,), math.inf, dtype=torch.float64)
        owner, leaders = torch.zeros(n, dtype=torch.int32), []
        for t, pick in enumerate(picks.tolist()):
            point, before = rows.take(slice(pick, pick + 1)), rows.take(picks[: t + 1])
            spacing = ((lifted(before) - lifted(point)) ** 2).sum(1).astype(float)
            nearest[pick] = -math.inf
            leaders.append(loops.cover(rows, nearest, owner, point, torch.from_numpy(spacing)))
        return nearest.tolist(), owner.tolist(), leaders

    nearest, owner, leaders = all_the_same(run)
    assert leaders[-1:] == [first_of(nearest, rows.rank.tolist())][: len(picks)]
    if not (n and (rows.lifts == 0).all()):
        return
    away = np.array(
        [((exact - lifted(rows.take(slice(p, p + 1)))) ** 2).sum(1) for p in picks.tolist()]
    )
    for i in range(len(exact)):
        if i not in picks:  # as without skipping: whole numbers, and the first of equal picks
            assert nearest[i] == min(away[:, i])
            assert owner[i] == list(away[:, i]).index(nearest[i])
