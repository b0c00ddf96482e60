from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.risk import Risk, cell_tail, row_tail, untrimmed, within_cells

LEVELS = ("0.2", "0.3", "0.5", "0.8", "1")

some_losses = st.lists(st.integers(-8, 8), min_size=1, max_size=12).map(
    lambda whole: np.array(whole) / 4
)
levels = st.decimals("0.05", 1, places=2)


@st.composite
def rows_in_cells(draw):
    losses = draw(some_losses)
    cells = draw(st.lists(st.integers(0, 5), min_size=len(losses), max_size=len(losses)))
    return losses, np.array(cells)


def cell_means(losses, cells):
    each = [losses[cells == number] for number in np.unique(cells)]
    return np.array([part.mean() for part in each]), np.array([len(part) for part in each])


def least(values, shares, level):
    """min over eta of eta + mean of what lies above it, over the level: a value is the best eta."""
    level = float(level)
    return min(eta + shares @ np.maximum(values - eta, 0) / level for eta in values)


@pytest.mark.parametrize(
    ("level", "expected"), [("0.25", 4), ("0.5", 3.5), ("0.8", 2.875), ("1", 2.5)]
)
def test_rows_worked_by_hand(level, expected):
    losses = np.array([2.0, 4, 1, 3])
    assert row_tail(losses, Decimal(level)) @ losses == pytest.approx(expected, abs=1e-15)


def test_weights_of_rows_worked_by_hand():
    """0.6 of 4 rows are 2.4: two whole ones and 0.4 of the first of the equal ones."""
    q = row_tail(np.array([1.0, 3, 1, 2]), Decimal("0.6"))
    np.testing.assert_allclose(q, np.array([0.4, 1, 0, 1]) / 2.4, rtol=0, atol=1e-16)


@pytest.mark.parametrize(
    ("level", "expected"), [("0.2", 3), ("0.3", 8 / 3), ("0.5", 2.4), ("1", 1.7)]
)
def test_cells_worked_by_hand(level, expected):
    cells = np.repeat([4, 0, 7], [5, 3, 2])
    spread = np.array([-0.5, 0, 0, 0, 0.5, -1, 0, 1, 0.25, -0.25])
    losses = np.repeat([1.0, 2, 3], [5, 3, 2]) + spread
    assert cell_tail(losses, cells, Decimal(level)) @ losses == pytest.approx(expected, abs=1e-15)


def test_weights_of_cells_worked_by_hand():
    """Half of ten rows: the two of mean 3, then all three of mean 2, a fifth each."""
    q = cell_tail(
        np.repeat([1.0, 2, 3], [5, 3, 2]), np.repeat([0, 1, 2], [5, 3, 2]), Decimal("0.5")
    )
    np.testing.assert_allclose(q, np.repeat([0, 0.2, 0.2], [5, 3, 2]), rtol=0, atol=1e-16)
    equal = cell_tail(np.ones(4), np.array([3, 1, 3, 1]), Decimal("0.5"))
    assert equal.tolist() == [0, 0.5, 0, 0.5]


def test_within_worked_by_hand():
    """Tails at half: 4 of {4, 2}; 6 of {1, 6}; 3 of {3, 0}, two cells of one row each."""
    losses = np.array([4.0, 1, 3, 2, 0, 6])
    cells = np.array([5, 2, 0, 5, 9, 2])
    q = within_cells(losses, cells, Decimal("0.5"))
    np.testing.assert_allclose(q, [1 / 6, 0, 1 / 6, 0, 0, 1 / 6 + 0.5], rtol=0, atol=1e-16)
    assert q @ losses == pytest.approx(0.5 * (4 + 6 + 3) / 3 + 0.5 * 6)


def test_largest_tail_is_of_the_lower_cell():
    q = within_cells(np.array([1.0, 1, 1, 1]), np.array([8, 3, 8, 3]), Decimal(1))
    assert q.tolist() == [0.125, 0.375, 0.125, 0.375]


@given(rows_in_cells(), levels)
def test_cells_equal_the_variational_form(rows, level):
    losses, cells = rows
    means, sizes = cell_means(losses, cells)
    found = cell_tail(losses, cells, level) @ losses
    assert found == pytest.approx(least(means, sizes / len(losses), level), abs=1e-12)


@given(some_losses, levels)
def test_rows_equal_the_variational_form(losses, level):
    found = row_tail(losses, level) @ losses
    assert found == pytest.approx(least(losses, np.full(len(losses), 1 / len(losses)), level))


@given(rows_in_cells(), levels)
@settings(max_examples=20, deadline=None)
def test_cells_equal_a_linear_program(rows, level):
    """The largest mean under masses of sum 1, none above its cell's share over the level."""
    losses, cells = rows
    means, sizes = cell_means(losses, cells)
    most = sizes / len(losses) / float(level)
    solved = linprog(
        -means, A_eq=np.ones((1, len(means))), b_eq=[1], bounds=[(0, one) for one in most]
    )
    assert cell_tail(losses, cells, level) @ losses == pytest.approx(-solved.fun, abs=1e-9)


@given(rows_in_cells(), levels, st.sampled_from(["cells", "within", "rows"]), st.integers(0, 4))
def test_weights_are_a_distribution(rows, level, kind, quarter):
    losses, cells = rows
    for trim in (0.0, 0.3):
        risk = Risk(kind=kind, level=float(level), mix=quarter / 4, trim=trim)
        q = risk.weights(losses, cells)
        assert q.sum() == pytest.approx(1)
        assert (q >= 0).all()


@given(rows_in_cells())
def test_all_rows_count_alike_where_the_tail_is_everything(rows):
    losses, cells = rows
    for risk in (Risk(level=1.0, mix=0.3), Risk(kind="rows", level=1.0, mix=1.0), Risk(mix=0.0)):
        assert risk.plain
        assert (risk.weights(losses, cells) == 1 / len(losses)).all()
    one = Risk(kind="within", level=1.0)
    assert not one.plain
    np.testing.assert_allclose(one.weights(losses, 0 * cells), 1 / len(losses), rtol=1e-12)


@given(rows_in_cells(), levels, st.integers(0, 5), st.integers(0, 11))
def test_a_cell_that_gets_worse_never_counts_less(rows, level, number, row):
    """The tail is the right one: that of large losses."""
    losses, cells = rows
    worse = losses + (cells == number)
    before, after = (cell_tail(each, cells, level) for each in (losses, worse))
    assert (after[cells == number] >= before[cells == number] - 1e-12).all()
    worse = losses.copy()
    worse[row % len(losses)] += 1
    before, after = (row_tail(each, level) for each in (losses, worse))
    assert after[row % len(losses)] >= before[row % len(losses)] - 1e-12


@given(rows_in_cells(), levels, st.randoms(use_true_random=False))
def test_other_numbers_of_cells_change_nothing(rows, level, random):
    losses, cells = rows
    names = np.array(random.sample(range(100), 6))
    for weights in (cell_tail, within_cells):
        one, other = (weights(losses, each, level) @ losses for each in (cells, names[cells]))
        assert one == pytest.approx(other, abs=1e-12)


def test_gradient_of_the_risk_is_that_of_weighted_losses():
    """Finite differences, where no two cells are equal; and it is not that of the mean."""
    losses, cells = np.array([0.3, 1.9, 1.0, 0.1, 2.5, 0.7]), np.array([0, 1, 1, 0, 2, 2])
    level, step = Decimal("0.5"), 1e-6
    q = cell_tail(losses, cells, level)
    slopes = []
    for row in range(6):
        nudged = [losses + sign * step * (np.arange(6) == row) for sign in (1, -1)]
        up, down = (cell_tail(each, cells, level) @ each for each in nudged)
        slopes.append((up - down) / (2 * step))
    np.testing.assert_allclose(q, slopes, atol=1e-8)
    assert not np.allclose(q, 1 / 6)


def test_trimmed_rows_count_nothing_and_leave_their_cell():
    """0.29 of 7 rows are 2: of the three largest the first two; then as if they had never been."""
    losses, cells = np.array([9.0, 1, 2, 9, 3, 4, 9]), np.array([0, 0, 1, 1, 1, 2, 2])
    assert untrimmed(losses, Decimal("0.29")).tolist() == [1, 2, 4, 5, 6]
    kept = [1, 2, 4, 5, 6]
    q = Risk(level=0.4, mix=0.5, trim=0.29).weights(losses, cells)
    assert q[[0, 3]].tolist() == [0, 0]
    alone = Risk(level=0.4, mix=0.5).weights(losses[kept], cells[kept])
    assert q[kept].tolist() == alone.tolist()
    assert alone.tolist() == pytest.approx([0.1, 0.1, 0.1, 0.35, 0.35])  # all of the tail: cell 2


def test_shares_are_decimals():
    """In float64 0.29·100 is 28.999…: a row of weight 4e-15 would enter."""
    q = row_tail(np.arange(100.0), Decimal("0.29"))
    assert np.count_nonzero(q) == 29
    assert (q[71:] == 1 / 29).all()
    assert len(untrimmed(np.arange(100.0), Decimal("0.29"))) == 71


@pytest.mark.parametrize(
    "wrong", [{"level": 0.0}, {"level": 1.1}, {"mix": -0.1}, {"mix": 2.0}, {"trim": 1.0}]
)
def test_values_outside_their_range_are_refused(wrong):
    with pytest.raises(InvalidParameter, match=f"{next(iter(wrong))} is .*; it must be in"):
        Risk(**wrong)
