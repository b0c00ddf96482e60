"""What pulls at a point: the same sums from three loops, row by row, and in float64."""

import math

import numpy as np
import pytest
import torch
from clouds import KINDS
from grids import SHAPES, all_the_same, first_of, grid_rows, lifted, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.kernels import compiled
from coreset_cli.kernels.loops import CAP, EXCESS_BITS, FORCE_BITS, LIMB_BITS, Rounded

SMALL = {"n": st.integers(0, 30), "d": st.integers(1, 9), "seed": st.integers(0, 10**6)}

kinds = pytest.mark.parametrize("kind", KINDS)
shapes = pytest.mark.parametrize(("n", "d"), SHAPES)
few = settings(max_examples=15, deadline=None)


@pytest.fixture(autouse=True)
def _many_chunks(monkeypatch):
    """Several chunks also where rows are few and short."""
    monkeypatch.setattr(compiled, "CHUNK_BYTES", 1 << 12)


def plainly(rows: Rounded, vector, bits):
    """What `forces` sums, row by row in Python's integers; rows without lift alone."""
    d, unit, fine = len(vector), 2.0**FORCE_BITS, 1 << LIMB_BITS
    heavy, near = [0] * d, [0] * d
    counts, distances, excess = [0] * 4, [], 0
    length = math.fsum(v * v for v in vector)
    for values, square in zip(rows.values.tolist(), rows.squares.tolist(), strict=True):
        away = [(value << bits) - int(v) for value, v in zip(values, vector, strict=True)]
        distance = math.sqrt(sum(a * a for a in away))
        distances.append(distance)
        size = 2.0**bits * math.sqrt(square)
        cross = 2 * sum((value << bits) * int(v) for value, v in zip(values, vector, strict=True))
        if distance + size > 0:
            excess += round(2**EXCESS_BITS * ((length - cross) / (distance + size)))
        if distance * distance <= d:
            counts[3] += 1
            continue
        weight = round(unit * 2.0**bits / distance)
        if weight <= CAP:
            counts[0] += weight
            heavy = [h + weight * value for h, value in zip(heavy, values, strict=True)]
        else:
            counts[1], counts[2] = counts[1] + weight // fine, counts[2] + weight % fine
            near = [n + round(unit * (a / distance)) for n, a in zip(near, away, strict=True)]
    row = first_of([-distance for distance in distances], rows.rank.tolist())
    return heavy, near, counts, excess, row, distances[row] if distances else math.inf


def all_forces(rows, vector, bits):
    def run(loops):
        found = loops.forces(rows, vector, bits)
        return found.sums.tolist(), found.counts.tolist(), found.row, found.distance

    sums, counts, row, distance = all_the_same(run)
    excess = (counts[4] << LIMB_BITS) + counts[5]
    return np.array(sums, object).reshape(3, -1), counts[:4], excess, row, distance


@kinds
@shapes
@pytest.mark.parametrize("bits", [14, 9, 0, -3])
def test_forces_are_the_same(kind, n, d, bits):
    rows = grid_rows(kind, n, d)
    vector = whole(np.random.default_rng(n), d, min(29, bits + 14))
    _, counts, _, row, _ = all_forces(rows, vector, bits)
    assert counts[3] <= n
    assert (row == -1) == (n == 0)


@pytest.mark.parametrize("kind", ["isotropic", "blobs", "bytes", "few values", "one-hot", "equal"])
@pytest.mark.parametrize("place", ["far", "beside", "upon"])
@given(**SMALL)
@few
def test_forces_equal_a_sum_over_rows(kind, place, n, d, seed):
    rows, rng = grid_rows(kind, n, d, seed), np.random.default_rng(seed)
    rows = rows.take(torch.from_numpy(np.flatnonzero(rows.lifts.numpy() == 0)))
    bits = 14
    vector = whole(rng, d, bits + 14)
    if len(rows) and place != "far":
        vector = rows.values[0].double() * 2**bits
        vector += whole(rng, d, bits + 3) if place == "beside" else torch.ones(d).double() // d
    if float(vector.square().sum()) > 2.0**58:
        vector = torch.trunc(vector / 2)
    heavy, near, *others = plainly(rows, vector.tolist(), bits)
    sums, *found = all_forces(rows, vector, bits)
    assert ((sums[0] << LIMB_BITS) + sums[1]).tolist() == heavy
    assert sums[2].tolist() == near
    assert found == others


@kinds
@pytest.mark.parametrize("bits", [14, -2])
def test_forces_are_unit_vectors_to_the_rows(kind, bits):
    """In float64, also for rows with lift and points far out; weights have about 20 bits."""
    rows = grid_rows(kind, 400, 5)
    vector = whole(np.random.default_rng(1), 5, min(29, bits + 15))
    exact, point = lifted(rows).astype(float), vector.numpy() / 2.0**bits
    away = exact - point
    distance = np.linalg.norm(away, axis=1)
    expected = (away / np.maximum(distance, 1e-300)[:, None])[distance > 1e-3].sum(0)
    sums, counts, further, row, nearest = all_forces(rows, vector, bits)
    pull = (sums[0] << LIMB_BITS) + sums[1] - counts[0] * point + sums[2]
    assert counts[3] == 0
    assert np.abs(pull.astype(float) / 2.0**FORCE_BITS - expected).max() < 1e-3
    assert nearest / 2.0**bits == pytest.approx(distance.min(), rel=1e-6)
    assert distance[row] == pytest.approx(distance.min(), rel=1e-6)
    weights = counts[0] + (counts[1] << LIMB_BITS) + counts[2]
    lifts = (exact != 0).any()  # 1/‖y − m‖ in units that a row of any lift has
    assert weights / 2.0**FORCE_BITS == pytest.approx((1 / distance).sum(), rel=1e-5) or not lifts
    excess = ((point - 2 * exact) @ point / (distance + np.linalg.norm(exact, axis=1))).sum()
    usual = np.linalg.norm(point)
    assert further * 2.0 ** (-bits - EXCESS_BITS) == pytest.approx(excess, abs=1e-6 * usual * 400)
