"""Many picks of many classes in one launch, as Triton compiles it: one program for each class.

A program goes over the rows of its class once a pick, and keeps in registers who leads. What one of
its threads wrote another may read in the next pass, so a barrier lies between. A class is a line of
a table of whole numbers: where its arrays are, how many rows it has, and which picks are to be made
of it. What is computed for a row is what `fused` computes; who shares the launch changes nothing.
"""

# mypy: ignore-errors

from typing import no_type_check

import triton
import triton.language as tl

from coreset_cli.kernels.cuda.fused import COVERED, MATCHED, SPACED

__all__ = ["FOLLOW", "REACH"]


@no_type_check
def _array(place, kind: tl.constexpr):
    """The array whose address stands at a place of the table; it begins at 16 bytes."""
    return tl.multiple_of(tl.load(place).to(tl.pointer_type(kind)), 16)


_array = triton.jit(_array)


@no_type_check
def _follow(
    table, fields: tl.constexpr, d: tl.constexpr, height: tl.constexpr, width: tl.constexpr
):
    line = table + tl.program_id(0) * fields
    values, lifts = _array(line, tl.int16), _array(line + 1, tl.int16)
    ranks, picks = _array(line + 2, tl.int64), _array(line + 3, tl.int64)
    n, first, last = tl.load(line + 4), tl.load(line + 5), tl.load(line + 6)
    state, pull = _array(line + 7, tl.float64), _array(line + 8, tl.float64)
    factor = tl.load(line + 9).to(tl.float64)
    at = tl.load(picks + first)
    for turn in range(first, last):
        _best, _rank, at = MATCHED(
            values, lifts, ranks, state, pull, at, factor, 0, n, d, height, width
        )
        tl.store(picks + turn + 1, at)
        tl.debug_barrier()


@no_type_check
def _reach(table, fields: tl.constexpr, d: tl.constexpr, height: tl.constexpr, width: tl.constexpr):
    line = table + tl.program_id(0) * fields
    values, lifts = _array(line, tl.int16), _array(line + 1, tl.int16)
    ranks, picks = _array(line + 2, tl.int64), _array(line + 3, tl.int64)
    n, first, last = tl.load(line + 4), tl.load(line + 5), tl.load(line + 6)
    nearest, owner = _array(line + 7, tl.float64), _array(line + 8, tl.int32)
    squares, scores = _array(line + 9, tl.int32), _array(line + 10, tl.float64)
    spacing = _array(line + 11, tl.float64)
    at = tl.load(picks + first)
    for turn in range(first, last):
        for start in range(0, turn + 1, height):
            some = start + tl.arange(0, height).to(tl.int64)
            SPACED(values, lifts, squares, picks, turn, some, spacing, d, height, width)
        tl.debug_barrier()
        best, _rank, at = COVERED(
            values, lifts, squares, ranks, nearest, owner, at, turn, spacing, 0, n,
            d, height, width,
        )  # fmt: skip
        tl.store(picks + turn + 1, at)
        tl.store(scores + turn + 1, best)
        tl.debug_barrier()


FOLLOW = triton.jit(_follow)
REACH = triton.jit(_reach)
