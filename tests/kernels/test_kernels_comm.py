"""How rows are divided over places changes nothing: the same bytes and picks as in one place."""

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, ignore, points_of
from hypothesis import given, settings
from hypothesis import strategies as st
from places import everywhere

from coreset_cli.kernels import fixed as grid
from coreset_cli.kernels import points
from coreset_cli.kernels.centre import geometric_median, nearest_to
from coreset_cli.kernels.comm import Alone, Candidate, leading
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.farthest import farthest_first
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.matching import Matcher, direction

DIVISIONS = [
    (1, "even"),
    (2, "uneven"),
    (2, "one has none"),
    (3, "shuffled"),
    (3, "one has all"),
    (5, "uneven"),
    (5, "shuffled"),
    (8, "one row each"),
    (8, "one has none"),
    (8, "shuffled"),
]


def divided(n, places, how):
    rng = np.random.default_rng(places)
    rows = np.arange(n)
    if how in ("even", "one row each"):
        return np.array_split(rows, places)
    if how == "one has none":
        return [*np.array_split(rows, places), rows[:0]]
    if how == "one has all":
        return [rows[:0]] * (places - 1) + [rows]
    cuts = np.sort(rng.integers(0, n + 1, places - 1))
    return np.split(rng.permutation(n) if how == "shuffled" else rows, cuts)


def bits(tensor):
    return tensor.numpy().tobytes()


def matched(rule):
    def job(data):
        rows = fixed(data)
        target = rows.grid.outside(rows.mean())
        matcher = Matcher(target, target, rule)
        return matcher.pick(rows, min(20, data.total_n), ignore), bits(matcher.theta)

    return job


def by_cosine(data):
    median = geometric_median(fixed(data))
    target = direction(median.point, median.scale)
    matcher = Matcher(target, target, "dot")
    return matcher.pick(fixed(data.unit()), min(20, data.total_n), ignore)


def on_the_grid(data):
    """The grid, and every row on it, joined in the order of rows."""
    rows = fixed(data)
    mine = [data.places, rows.rows.lifts.numpy(), rows.rows.squares.numpy()]
    gathered = [np.frombuffer(b"".join(data.comm.gather(a.tobytes())), a.dtype) for a in mine]
    values = np.frombuffer(b"".join(data.comm.gather(bits(rows.rows.values))), np.int16)
    order = np.argsort(gathered[0])
    joined = [a[order].tolist() for a in [*gathered, values.reshape(-1, data.d)]]
    usual = (rows.n, rows.grid.step, rows.grid.usual, rows.total_norm())
    return bits(rows.grid.origin), bits(rows.mean()), usual, joined


def median(data):
    found = geometric_median(fixed(data))
    return bits(found.point), found.objective, found.iterations, found.converged


def covered(data):
    rows = fixed(data)
    first = nearest_to(rows, rows.mean())
    picks, radii = farthest_first(rows, min(15, data.total_n), first, ignore)
    return first.place, picks, radii.tolist()


JOBS = {
    "mean": lambda data: bits(mean(data)),
    "grid": on_the_grid,
    "median": median,
    "l2": matched("l2"),
    "dot": matched("dot"),
    "cosine": by_cosine,
    "farthest": covered,
}

jobs = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


@jobs
@pytest.mark.parametrize(("places", "how"), DIVISIONS)
def test_division_changes_nothing(job, places, how, monkeypatch):
    monkeypatch.setattr(grid, "START_ROWS", 64)  # the sample is of all places' rows
    n = places if how == "one row each" else 150
    data = points_of(drawn("far", n, 6), ids=np.random.default_rng(1).permutation(n))
    parts = divided(n, places, how)
    assert everywhere(data, parts, job) == [job(data)] * len(parts)


@jobs
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind(job, kind):
    data = points_of(drawn(kind, 60, 5), ids=np.random.default_rng(2).permutation(60))
    assert everywhere(data, divided(60, 3, "shuffled"), job) == [job(data)] * 3


@jobs
def test_compiled_loops_in_places_of_a_few_rows_and_none(job, monkeypatch):
    data = points_of(drawn("blobs", 90, 4))
    expected = job(data)
    monkeypatch.setattr(points, "SMALL", 0)
    parts = [np.arange(3), np.arange(0), np.arange(3, 90)]
    assert everywhere(data, parts, job) == [expected] * 3


def candidate(score, rank):
    return Candidate(score, rank, rank, np.zeros(1, np.int16), 0, 0)


@given(
    data=st.lists(st.tuples(st.sampled_from([-np.inf, 0.0, 1.5]), st.integers(0, 99)), min_size=1)
)
@settings(max_examples=50)
def test_the_leader_is_the_largest_score_then_the_smallest_id(data):
    best = leading([candidate(*one) for one in data])
    top = max(score for score, _ in data)
    assert (best.score, best.rank) == (top, min(rank for score, rank in data if score == top))


def test_alone_is_one_place():
    part, one = np.arange(3), candidate(1.0, 4)
    comm = Alone()
    assert (comm.rank, comm.size, comm.best(one), comm.gather(b"a")) == (0, 1, one, [b"a"])
    assert comm.sum(part) is part
    assert torch.equal(mean(points_of([[1.0], [2.0]])), torch.tensor([1.5]).double())
