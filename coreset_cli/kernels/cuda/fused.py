"""One pick in one pass over the rows, as Triton compiles it; `chain` says what it takes.

Inner products are summed in 32-bit whole numbers, exact in any order (`fixed`). What is done to a
row's own number is written in the order of `portable`: every product is a power of two times a
whole number of 32 bits, so it is exact, and fusing it into the sum next to it would change nothing
(it is switched off all the same). Under `TRITON_INTERPRET=1` the kernels run on the processor, as
the tests have it.
"""

# mypy: ignore-errors

from typing import no_type_check

import triton
import triton.language as tl

__all__ = [
    "ADVANCE",
    "COVER",
    "COVERED",
    "CROWN",
    "LARGEST_RANK",
    "MATCHED",
    "SPACED",
    "SPACING",
]

LARGEST_RANK = (1 << 63) - 1
"""Rank of no row."""

_NO_RANK = tl.constexpr(LARGEST_RANK)
_NOTHING = tl.constexpr(float("-inf"))


@no_type_check
def _power_of_two(lift):
    return ((lift.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)


_power_of_two = triton.jit(_power_of_two)


@no_type_check
def _product(values, row, wanted, at, d: tl.constexpr, height: tl.constexpr, width: tl.constexpr):
    """Inner products of some rows, where wanted, with the one at `at`."""
    total = tl.zeros((height, width), tl.int32)
    for start in range(0, d, width):
        column = start + tl.arange(0, width)
        place = row[:, None] * d + column[None, :]
        if d % width == 0:
            point = tl.load(values + at * d + column)
            mine = tl.load(values + place, mask=wanted[:, None])
        else:
            inside = column < d
            point = tl.load(values + at * d + column, mask=inside, other=0)
            mine = tl.load(values + place, mask=wanted[:, None] & inside[None, :], other=0)
        total += mine.to(tl.int32) * point.to(tl.int32)[None, :]
    return tl.sum(total, 1)


_product = triton.jit(_product)


@no_type_check
def _ahead(score, mine, row, top, rank, leader):
    """What leads each lane after some more rows: the larger score, of equal ones the lower rank."""
    better = (score > top) | ((score == top) & (mine < rank))
    top = tl.where(better, score, top)
    rank = tl.where(better, mine, rank)
    leader = tl.where(better, row, leader)
    return top, rank, leader


_ahead = triton.jit(_ahead)


@no_type_check
def _foremost(top, rank, leader):
    """The one lane that leads all."""
    best = tl.max(top, 0)
    rank = tl.where(top == best, rank, _NO_RANK)
    first = tl.min(rank, 0)
    return best, first, tl.max(tl.where(rank == first, leader, 0), 0)


_foremost = triton.jit(_foremost)


@no_type_check
def _matched(
    values, lifts, ranks, state, pull, at, factor, begin, end,
    d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    """Take the row `at` out and match it in the scores of some rows; say who leads them then."""
    power = _power_of_two(tl.load(lifts + at)) * factor
    top = tl.full((height,), _NOTHING, tl.float64)
    rank = tl.full((height,), _NO_RANK, tl.int64)
    leader = tl.zeros((height,), tl.int64)
    for start in range(begin, end, height):
        row = start + tl.arange(0, height).to(tl.int64)
        here = row < end
        product = _product(values, row, here, at, d, height, width).to(tl.float64)
        product = power * _power_of_two(tl.load(lifts + row, mask=here, other=0)) * product
        score = tl.load(state + row, mask=here, other=_NOTHING)
        score = score + (tl.load(pull + row, mask=here, other=0.0) - product)
        score = tl.where(row == at, _NOTHING, score)
        tl.store(state + row, score, mask=here)
        mine = tl.load(ranks + row, mask=here, other=_NO_RANK)
        top, rank, leader = _ahead(score, mine, row, top, rank, leader)
    return _foremost(top, rank, leader)


MATCHED = triton.jit(_matched)


@no_type_check
def _advance(
    values, lifts, ranks, state, pull, picks, done, tops, firsts, leaders, n, span,
    factor: tl.constexpr, d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0)
    at = tl.load(picks + tl.load(done))
    begin = part.to(tl.int64) * span
    end = tl.minimum(begin + span, n)
    best, first, foremost = MATCHED(
        values, lifts, ranks, state, pull, at, factor, begin, end, d, height, width
    )
    tl.store(tops + part, best)
    tl.store(firsts + part, first)
    tl.store(leaders + part, foremost)


@no_type_check
def _spaced(
    values, lifts, squares, picks, last, turn, spacing,
    d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    """Write the squared distances of the last pick to those of some turns, itself one of them."""
    here = turn <= last
    at = tl.load(picks + last)
    row = tl.load(picks + turn, mask=here, other=0)
    power, square = _power_of_two(tl.load(lifts + at)), tl.load(squares + at).to(tl.float64)
    mine = _power_of_two(tl.load(lifts + row, mask=here, other=0))
    lengths = mine * mine * tl.load(squares + row, mask=here, other=0).to(tl.float64)
    lengths = lengths + power * power * square
    product = _product(values, row, here, at, d, height, width).to(tl.float64)
    tl.store(spacing + turn, lengths - 2 * power * mine * product, mask=here)


SPACED = triton.jit(_spaced)


@no_type_check
def _spacing(
    values, lifts, squares, picks, done, spacing,
    d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    turn = tl.program_id(0) * height + tl.arange(0, height)
    SPACED(values, lifts, squares, picks, tl.load(done), turn, spacing, d, height, width)


@no_type_check
def _covered(
    values, lifts, squares, ranks, nearest, owner, at, turn, spacing, begin, end,
    d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    """Take the row `at` out and lower the distances of some rows to it; say who leads them then."""
    power, square = _power_of_two(tl.load(lifts + at)), tl.load(squares + at).to(tl.float64)
    top = tl.full((height,), _NOTHING, tl.float64)
    rank = tl.full((height,), _NO_RANK, tl.int64)
    leader = tl.zeros((height,), tl.int64)
    for start in range(begin, end, height):
        row = start + tl.arange(0, height).to(tl.int64)
        here = row < end
        score = tl.load(nearest + row, mask=here, other=_NOTHING)
        score = tl.where(row == at, _NOTHING, score)
        mine = tl.load(owner + row, mask=here, other=0)
        near = here & (4 * score > tl.load(spacing + mine))
        product = _product(values, row, near, at, d, height, width).to(tl.float64)
        lift = _power_of_two(tl.load(lifts + row, mask=here, other=0))
        lengths = lift * lift * tl.load(squares + row, mask=here, other=0).to(tl.float64)
        lengths = lengths + power * power * square
        away = tl.maximum(lengths - 2 * lift * power * product, 0.0)
        closer = near & (away < score)
        score = tl.where(closer, away, score)
        tl.store(nearest + row, score, mask=here)
        tl.store(owner + row, tl.where(closer, turn, mine).to(tl.int32), mask=here)
        place = tl.load(ranks + row, mask=here, other=_NO_RANK)
        top, rank, leader = _ahead(score, place, row, top, rank, leader)
    return _foremost(top, rank, leader)


COVERED = triton.jit(_covered)


@no_type_check
def _cover(
    values, lifts, squares, ranks, nearest, owner, picks, done, spacing, tops, firsts, leaders,
    n, span, d: tl.constexpr, height: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0)
    turn = tl.load(done)
    at = tl.load(picks + turn)
    begin = part.to(tl.int64) * span
    end = tl.minimum(begin + span, n)
    best, first, foremost = COVERED(
        values, lifts, squares, ranks, nearest, owner, at, turn, spacing, begin, end,
        d, height, width,
    )  # fmt: skip
    tl.store(tops + part, best)
    tl.store(firsts + part, first)
    tl.store(leaders + part, foremost)


@no_type_check
def _crown(tops, firsts, leaders, picks, scores, done, parts, width: tl.constexpr):
    top = tl.full((width,), _NOTHING, tl.float64)
    rank = tl.full((width,), _NO_RANK, tl.int64)
    leader = tl.zeros((width,), tl.int64)
    for start in range(0, parts, width):
        part = start + tl.arange(0, width)
        here = part < parts
        score = tl.load(tops + part, mask=here, other=_NOTHING)
        mine = tl.load(firsts + part, mask=here, other=_NO_RANK)
        row = tl.load(leaders + part, mask=here, other=0)
        top, rank, leader = _ahead(score, mine, row, top, rank, leader)
    best, _first, foremost = _foremost(top, rank, leader)
    turn = tl.atomic_add(done, 1)  # once, and all threads see the same: a load could come too late
    tl.store(picks + turn + 1, foremost)
    tl.store(scores + turn + 1, best)


ADVANCE = triton.jit(_advance, do_not_specialize=["n", "span"])
COVER = triton.jit(_cover, do_not_specialize=["n", "span"])
SPACING = triton.jit(_spacing)
CROWN = triton.jit(_crown, do_not_specialize=["parts"])
