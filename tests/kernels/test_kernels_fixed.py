"""The grid: where it lies, what rounding costs, and that nothing on it overflows."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, points_of, vector
from grids import held, lifted, rounding

from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels import fixed as module
from coreset_cli.kernels.fixed import dot, fixed, norm
from coreset_cli.kernels.loops import (
    BATCH,
    CAP,
    EXCESS_BITS,
    FORCE_BITS,
    LARGEST,
    LIMB_BITS,
    LIMIT,
    Forces,
)
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key

kinds = pytest.mark.parametrize("kind", KINDS)


def exactly(values):
    return np.array([[Fraction(v) for v in row] for row in np.asarray(values).tolist()], object)


@kinds
@pytest.mark.parametrize("d", [1, 3, 8192])
def test_a_row_is_held_within_half_a_unit(kind, d):
    """Half a unit of the grid, or of the row's own where it lies far out."""
    rows = drawn(kind, 60 if d < 9 else 8, d)
    data = points_of(rows)
    grid = fixed(data)
    off = np.abs(held(data) - rows.astype(float))
    unit = np.exp2(grid.rows.lifts.numpy() - np.float64(grid.grid.step))[:, None]
    slack = 2.0**-50 * (np.abs(rows) + np.abs(grid.grid.origin.numpy()))  # of this comparison
    assert (off <= unit / 2 + slack).all()
    away = np.linalg.norm(held(data) - grid.grid.origin.numpy(), axis=1)
    far = grid.rows.lifts.numpy() > 0
    assert (rounding(data)[far] <= 2.0**-15 * math.sqrt(d) * away[far]).all()


@kinds
def test_the_usual_distance_has_fourteen_bits(kind):
    rows = drawn(kind, 500, 6)
    grid = fixed(points_of(rows)).grid
    origin = np.median(rows.astype(float), axis=0)
    assert grid.origin.tolist() == origin.tolist()
    away = np.linalg.norm(rows.astype(float) - origin, axis=1)
    if away.any():
        expected = np.sort(away[away > 0])[np.count_nonzero(away) // 2]
        assert grid.usual == pytest.approx(expected, rel=1e-6)
    assert 2**13 <= grid.usual * 2.0**grid.step < 2**14


def test_differences_beyond_single_precision():
    rows = np.float32([[3.4e38]] * 3 + [[-3.4e38]] * 2)
    grid = fixed(points_of(rows)).grid
    assert grid.usual == pytest.approx(6.8e38, rel=1e-7)
    assert np.allclose(held(points_of(rows)), rows.astype(float), rtol=1e-4)


def test_equal_rows_have_a_grid():
    for value in (0.0, 1.0, 0.1, 1e20, 1e-38):
        grid = fixed(points_of(np.full((9, 3), value, np.float32)))
        assert not grid.rows.values.any()
        assert grid.grid.origin.tolist() == [float(np.float32(value))] * 3


@pytest.mark.parametrize("share", [0.1, 0.45])
@pytest.mark.parametrize("d", [1, 16])
def test_outliers_cost_the_others_no_resolution(share, d):
    rows = drawn("isotropic", 1000, d)
    clean = fixed(points_of(rows)).grid
    rows[: int(1000 * share)] *= 1e6
    grid = fixed(points_of(rows)).grid
    assert grid.step >= clean.step - 1 - (share > 0.2)
    assert rounding(points_of(rows))[500:].max() <= 2**-13 * math.sqrt(d) * np.abs(rows[500:]).max()


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int64, np.float64])
def test_numbers_of_any_type_are_the_same_numbers(dtype):
    rows = np.random.default_rng(0).integers(0, 100, (50, 4))
    expected = fixed(points_of(rows.astype(np.float32)))
    found = fixed(points_of(rows.astype(dtype)))
    assert found.grid.origin.tolist() == expected.grid.origin.tolist()
    assert torch.equal(found.rows.values, expected.rows.values)
    assert np.array_equal(held(points_of(rows.astype(dtype))), rows)  # whole numbers are exact


def test_the_extremes_of_half_precision():
    rows = np.float16([[6e-8, 65504], [-65504, 6e-8], [1, -1], [65504, 65504]])
    off = np.linalg.norm(held(points_of(rows)) - rows.astype(float), axis=1)
    assert (off <= rounding(points_of(rows))).all()


@kinds
def test_the_mean_is_exact(kind):
    """The sum in whole numbers; one rounding a lift, and that of the division."""
    grid = fixed(points_of(drawn(kind, 300, 5)))
    total = lifted(grid.rows).sum(0)
    expected = np.array([float(Fraction(value, 300)) for value in total])
    size = np.abs(lifted(grid.rows)).sum(0).astype(float) / 300
    assert (np.abs(grid.mean().numpy() - expected) <= 2.0**-51 * size).all()
    if not grid.rows.lifts.any():
        assert grid.mean().tolist() == expected.tolist()
    norms = sum(math.sqrt(square) for square in (lifted(grid.rows) ** 2).sum(1))
    assert grid.total_norm() == pytest.approx(norms, rel=1e-9, abs=300 * 2**-13)


@kinds
@pytest.mark.parametrize("factor", [1, 2])
def test_scores_are_multiples_of_their_last_bit(kind, factor):
    grid = fixed(points_of(drawn(kind, 100, 5)))
    wanted = vector(1 / 3, -2e4, 1e-9, 7.0, 1e3)
    found = grid.scores(wanted, factor).numpy()
    assert (found * 2**12 == np.round(found * 2**12)).all()
    exact = lifted(grid.rows).astype(float) @ wanted.numpy() * factor
    size = np.linalg.norm(lifted(grid.rows).astype(float), axis=1) * norm(wanted) * factor
    assert (np.abs(found - exact) <= 2**-13 + 2.0**-36 * math.sqrt(5) * size).all()
    assert not grid.scores(torch.zeros(5).double(), factor).any()


def test_norm_and_dot_are_correctly_rounded():
    first, second = vector(1e16, 1, -1e16), vector(1, 1, 1)
    assert dot(first, second) == 1.0  # a sum in order gives 0
    assert norm(vector(3, 4)) == 5.0
    assert norm(vector()) == 0.0


def test_rows_beyond_the_room_are_held_in_a_file():
    rows = drawn("far", 300, 7)
    key = points_of(rows).key
    whole = fixed(Points(Matrix([Shard("rows", rows)]), key))
    mapped = fixed(Points(Matrix([Shard("rows", rows)]), key, room=2 * 300 * 7 - 1))
    assert torch.equal(whole.rows.values, mapped.rows.values)
    assert torch.equal(whole.mean(), mapped.mean())


def test_a_row_comes_back_as_it_was():
    rows = drawn("far", 40, 3)
    grid = fixed(points_of(rows, ids=np.arange(40, 0, -1)))
    for row in range(40):
        found = grid.best(row, 1.0)
        assert (found.place, found.rank) == (row, 39 - row)
        assert grid.stored_row(found).tolist() == rows[row].astype(float).tolist()
        assert grid.row(found).tolist() == lifted(grid.rows)[row].astype(float).tolist()
    none = grid.best(-1, 0.0)
    assert (none.score, none.place) == (-math.inf, -1)


def test_some_rows_on_the_same_grid():
    rows = drawn("isotropic", 30, 3)
    rows[[4, 17]] = 0
    grid = fixed(points_of(rows).unit())
    assert grid.zeros.tolist() == [4, 17]
    some = grid.take(np.array([20, 17, 3, 4]))
    assert torch.equal(some.rows.values, grid.rows.values[[20, 17, 3, 4]])
    assert (some.zeros.tolist(), some.n, len(some)) == ([1, 3], 4, 4)
    assert some.grid == grid.grid


def test_another_origin():
    rows = drawn("isotropic", 30, 3)
    grid = fixed(points_of(rows)).around(vector(10, 20, 30))
    back = lifted(grid.rows).astype(float) / 2.0**grid.grid.step + [10, 20, 30]
    assert np.abs(back - rows).max() <= 2.0 ** (-grid.grid.step - 1)
    assert grid.grid.outside(grid.grid.inside(vector(1, 2, 3))).tolist() == [1, 2, 3]


def key_of(hashes):
    return Key(np.arange(len(hashes)), np.array(hashes, np.uint64))


def test_the_grid_is_laid_by_the_rows_of_the_smallest_hashes(monkeypatch):
    monkeypatch.setattr(module, "START_ROWS", 3)
    rows = np.float32([[100], [1], [2], [100], [3], [100]])
    key = key_of([9, 1, 2, 8, 2, 7])
    assert fixed(Points(Matrix([Shard("rows", rows)]), key)).grid.origin.tolist() == [2]


def test_nothing_overflows():
    """The bounds of the module's docstring, in Python's integers, for 2³⁰ rows and more."""
    n, long = 1 << 30, 1 << 37
    assert LIMIT < 2**31  # an inner product of two rows, and all its partial sums
    assert math.isqrt(LIMIT) * (long + 8192) < 2**53  # with a vector, its values rounded
    assert BATCH * CAP * LARGEST < 2**53  # a weighted sum
    reach = 1 << 29  # norm of an iterate in its last bits, of which it has up to 14
    cross = 2 * math.isqrt(LIMIT) * (reach << 14)
    assert (LIMIT << 28) + cross + reach**2 < 2**63
    # sums over rows: every row as large as can be
    assert (n // BATCH) * (BATCH * CAP * LARGEST >> LIMB_BITS) < 2**63
    assert (n // BATCH) << LIMB_BITS < 2**63
    assert n * CAP < 2**63
    heaviest = 1 << FORCE_BITS + 14  # a row one last bit away from an iterate of 14 bits
    assert n * (heaviest >> LIMB_BITS) < 2**63
    assert n << LIMB_BITS < 2**63
    assert n * (LARGEST + 1) < 2**63  # the mean
    assert n * (math.isqrt(LIMIT) << 12) < 2**63  # the sum of norms
    assert n * ((reach << EXCESS_BITS) >> LIMB_BITS) < 2**63  # differences of distances
    assert ((1 << 29) - 1) << FORCE_BITS < 2**63  # unit vectors to nearer rows: of 2²⁹ rows


@pytest.mark.parametrize("kind", ["isotropic", "one-hot", "equal", "far"])
def test_sums_of_a_billion_rows(kind):
    """A block summed again and again, in 64 bits and in Python's integers."""
    grid = fixed(points_of(drawn(kind, 1024, 8)))
    bits = min(10, 29 - math.frexp(norm(grid.mean()))[1])
    whole = torch.round(grid.mean() * 2.0**bits)
    block: Forces = grid.points.loops.forces(grid.rows, whole, bits)
    times = (1 << 30) // 1024
    for part in (block.sums, block.counts):
        repeated = part * np.int64(times)
        assert repeated.tolist() == (part.astype(object) * times).tolist()
