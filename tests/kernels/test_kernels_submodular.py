"""Similarities as whole numbers, and what rows add to a set."""

import numpy as np
import pytest
import torch
from clouds import KINDS, drawn, points_of
from grids import lifted
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.errors import NotFinite
from coreset_cli.kernels import cosine, points, similarity
from coreset_cli.kernels.cosine import Cosine
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.similarity import Blockwise, Held, Similarity, held
from coreset_cli.kernels.sparse import Nearest
from coreset_cli.kernels.submodular import FacilityLocation, GraphCut, Objective, cluster_sizes

WORKED = np.array(
    [[10, 8, 5, 1, 0, 0], [8, 10, 6, 2, 1, 0], [5, 6, 10, 3, 2, 1],
     [1, 2, 3, 10, 7, 6], [0, 1, 2, 7, 10, 4], [0, 0, 1, 6, 4, 10]], np.int32
)  # fmt: skip
"""The case of the method's description, worked by hand."""


def whole(matrix, rank=None):
    order = np.arange(len(matrix)) if rank is None else rank
    return Held(np.asarray(matrix, np.int32), torch.from_numpy(order))


def drawn_matrix(n, seed, top=30):
    """Symmetric, of few values: many ties."""
    half = np.random.default_rng(seed).integers(0, top, (n, n))
    return np.triu(half) + np.triu(half, 1).T


def cosine_of(rows, **options):
    return Cosine.of(fixed(points_of(rows, **options).unit()))


def half_cosines(rows):
    length = np.linalg.norm(rows.astype(np.longdouble), axis=1, keepdims=True)
    unit = rows / np.where(length > 0, length, 1)
    return ((1 + unit @ unit.T) / 2).astype(float)


@pytest.mark.parametrize(
    "kind", ["isotropic", "blobs", "one-hot", "bytes", "offset", "heavy tails"]
)
def test_cosine_is_the_cosine(kind):
    rows = drawn(kind, 60, 7)
    near = cosine_of(rows)
    found = near.columns(np.arange(60)) * near.unit + near.base
    step = 2.0**-near.rows.grid.step
    lift = near.rows.powers.numpy()
    off = np.sqrt(7) / 2 * step * (lift[:, None] + lift)  # of a distance, both ends rounded
    away = np.sqrt(np.maximum(0, 4 - 4 * half_cosines(rows)))
    assert (abs(found - half_cosines(rows)) <= (2 * away + off) * off / 4 + near.unit + 1e-15).all()


@pytest.mark.parametrize("kind", KINDS)
def test_cosine_is_whole_and_the_same_by_every_way(kind, monkeypatch):
    rows = drawn(kind, 150, 5)
    rows[10:13] = 0
    near = cosine_of(rows)
    expected = near.columns(np.arange(150))
    assert expected.min() >= 0
    assert expected.max() <= 1 << 30
    assert np.array_equal(expected, expected.T)
    assert np.array_equal(near.own(), expected.diagonal())
    monkeypatch.setattr(points, "SMALL", 0)
    monkeypatch.setattr(cosine, "TILE_ROWS", 8)
    for data in (points_of(rows), points_of(rows).one_thread()):
        again = Cosine.of(fixed(data.unit()))
        assert np.array_equal(again.matrix(), expected)
        assert np.array_equal(again.columns(np.array([149, 3, 11, 70])), expected[[149, 3, 11, 70]])
    monkeypatch.setattr(points, "SMALL", 1 << 30)
    monkeypatch.setattr(cosine, "BLOCK_VALUES", 1)
    assert np.array_equal(cosine_of(rows).columns(np.array([8, 10])), expected[[8, 10]])


def test_whole_distances_are_those_of_whole_rows():
    """In Python's integers, where no row has a lift."""
    near = cosine_of(drawn("isotropic", 40, 9))
    assert not near.rows.rows.lifts.any()
    exact = lifted(near.rows.rows)
    away = ((exact[:, None] - exact[None]) ** 2).sum(2).astype(float)
    shrink = 2.0**30 / 2 ** np.ceil(np.log2(near.top))
    expected = np.rint((near.top - away) * shrink)
    assert np.array_equal(near.columns(np.arange(40)), expected)


def test_rows_without_direction_are_at_cosine_zero():
    rows = np.float32([[0, 0], [3, 0], [-2, 0], [0, 5], [0, 0]])
    near = cosine_of(rows)
    found = near.columns(np.arange(5)) * near.unit + near.base
    expected = [
        [0.5] * 5, [0.5, 1, 0, 0.5, 0.5], [0.5, 0, 1, 0.5, 0.5], [0.5, 0.5, 0.5, 1, 0.5], [0.5] * 5
    ]  # fmt: skip
    assert np.allclose(found, expected, atol=1e-3)
    assert np.allclose(near.totals() * near.unit + 5 * near.base, np.sum(expected, 0), atol=5e-3)
    assert not cosine_of(np.zeros((4, 3), np.float32)).columns(np.arange(4)).any()


@pytest.mark.parametrize(
    "kind", ["isotropic", "blobs", "few values", "half equal", "gross outliers"]
)
def test_totals_need_no_pairs(kind):
    rows = drawn(kind, 80, 6)
    rows[[4, 5]] = 0
    near = cosine_of(rows)
    pairs = near.columns(np.arange(80)).sum(1, dtype=np.int64)
    off = 80  # each pair is rounded by itself
    if kind == "few values":  # opposite rows are not more than opposite, but for their sums
        off *= 1e-4 / near.unit
    assert np.abs(near.totals() - pairs).max() <= off


def test_a_narrow_cone_keeps_its_order():
    angle = np.array([0, 1, 3, 4, 9]) * 1e-5
    rows = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float64)
    near = Cosine.of(fixed(points_of((1e3 * rows).astype(np.float32)).unit()))
    found = near.columns(np.array([0]))[0]
    assert found[0] > found[1] > found[2] > found[3] > found[4]


def test_columns_are_held_where_they_are_few(monkeypatch):
    near = cosine_of(drawn("isotropic", 50, 4))
    kept = held(near)
    assert isinstance(kept, Held)
    assert isinstance(kept, Similarity)
    for at in ([3, 4, 5], [7, 2, 7]):
        assert np.array_equal(kept.columns(np.array(at)), near.columns(np.array(at)))
    assert np.array_equal(kept.own(), near.own())
    monkeypatch.setattr(similarity, "HELD_BYTES", 4 * 50 * 50 - 1)
    assert held(near) is near
    assert similarity.state_bytes(50) == 8 * 50


def test_similarities_of_a_function(monkeypatch):
    monkeypatch.setattr(similarity, "MOST_COLUMNS", 4)
    matrix = drawn_matrix(11, 0) / 29
    given = Blockwise(lambda at: matrix[at], 1.0, torch.arange(11))
    assert np.allclose(given.matrix() * given.unit, matrix, atol=1e-9)
    assert np.array_equal(given.own(), given.matrix().diagonal())
    assert np.array_equal(given.totals(), given.matrix().sum(0, dtype=np.int64))
    assert np.array_equal(held(given).totals(), given.totals())
    nothing = Blockwise(lambda at: np.zeros((len(at), 2)), 0.0, torch.arange(2))
    assert not nothing.matrix().any()
    with pytest.raises(NotFinite, match="not finite"):
        Blockwise(lambda at: matrix[at] * np.nan, 1.0, torch.arange(11)).matrix()


@given(st.integers(1, 14), st.integers(1, 16), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_rows_keep_their_nearest(n, m, seed):
    """Of equal similarities those of smaller ids, and always their own."""
    matrix = drawn_matrix(n, seed, top=4)
    rank = np.random.default_rng(seed).permutation(n)
    near = Nearest(whole(matrix, rank), m)
    expected = np.zeros((n, n), int)
    for i in range(n):
        order = sorted(range(n), key=lambda j: (j != i, -matrix[i, j], rank[j]))[:m]
        expected[order, i] = matrix[i, order]
    assert np.array_equal(near.matrix(), expected)
    assert np.array_equal(near.own(), expected.diagonal())
    assert np.array_equal(near.totals(), expected.sum(1))
    assert np.array_equal(near.columns(np.array([n - 1])), expected[[n - 1]])


def test_gains_worked_by_hand():
    facility, cut = FacilityLocation(whole(WORKED)), GraphCut(whole(WORKED), 1.0)
    for objective in (facility, cut):
        assert isinstance(objective, Objective)
        objective.add(3)
    assert facility.gains(np.array([1, 5])).tolist() == [18, 4]
    assert cut.gains(np.array([1, 2])).tolist() == [13, 27 - 6 - 10]


@given(st.integers(2, 9), st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 2.0, 3.25]))
@settings(max_examples=30, deadline=None)
def test_gains_are_differences_of_the_values_of_sets(n, seed, weight):
    rng = np.random.default_rng(seed)
    s = drawn_matrix(n, seed)
    order = rng.permutation(n)

    def served(rows):
        return s[:, rows].max(1).sum() if len(rows) else 0

    def cut(rows):
        return weight * s[:, rows].sum() - s[np.ix_(rows, rows)].sum()

    for objective, value in (
        (FacilityLocation(whole(s)), served), (GraphCut(whole(s), weight), cut)
    ):  # fmt: skip
        seen = np.full(n, np.inf)
        for t in range(n):
            left = order[t:]
            gains = objective.gains(left)
            before = value(order[:t])
            assert gains.tolist() == [value(np.append(order[:t], j)) - before for j in left]
            assert (gains <= seen[left]).all()  # diminishing
            seen[left] = gains
            objective.add(int(order[t]))


def test_scores_are_in_units_of_the_similarity():
    rows = drawn("blobs", 30, 5) + 20  # a cone: no pair is at similarity 0
    s = half_cosines(rows)
    near = cosine_of(rows)
    assert near.base > 0.5
    facility, cut = FacilityLocation(near), GraphCut(near, 1.5)
    picks = np.array([4, 9, 17])
    gains = {objective: [] for objective in ("facility", "cut")}
    for row in picks:
        gains["facility"].append(facility.gains(np.array([row]))[0])
        gains["cut"].append(cut.gains(np.array([row]))[0])
        facility.add(int(row))
        cut.add(int(row))
    value = facility.scores(np.array(gains["facility"])).sum()
    assert value == pytest.approx(s[:, picks].max(1).sum(), abs=1e-3)
    value = cut.scores(np.array(gains["cut"])).sum()
    expected = 1.5 * s[:, picks].sum() - s[np.ix_(picks, picks)].sum()
    assert value == pytest.approx(expected, abs=1e-3)


def test_compiled_gains_are_the_same(monkeypatch):
    near = held(cosine_of(drawn("isotropic", 70, 4)))
    gains = []
    for small in (points.SMALL, 0):
        monkeypatch.setattr("coreset_cli.kernels.submodular.SMALL", small)
        for most in (3, 256):
            monkeypatch.setattr(similarity, "MOST_COLUMNS", most)
            facility = FacilityLocation(near)
            facility.add(5)
            gains.append(facility.gains(np.array([1, 9, 30, 31, 32])).tolist())
    assert gains[0] == gains[1] == gains[2] == gains[3]


def test_every_pick_serves_itself_and_the_earliest_of_equals(monkeypatch):
    rows = np.array([0, 0, 5, 5])
    near = whole(10 - abs(rows[:, None] - rows))
    for most in (1, 4):
        monkeypatch.setattr(similarity, "MOST_COLUMNS", most)
        assert cluster_sizes(near, np.array([0, 2])).tolist() == [2, 2]
        assert cluster_sizes(near, np.array([0, 2, 1, 3])).tolist() == [1, 1, 1, 1]
        assert cluster_sizes(near, np.array([3, 2, 0])).tolist() == [1, 1, 2]
        assert cluster_sizes(near, np.array([1])).tolist() == [4]
        between = whole([[9, 4, 6], [4, 9, 6], [6, 6, 9]])  # the last is as near to both others
        assert cluster_sizes(between, np.array([0, 1])).tolist() == [2, 1]
        assert cluster_sizes(between, np.array([1, 0])).tolist() == [2, 1]


@given(st.integers(1, 12), st.integers(0, 10**6), st.data())
@settings(max_examples=30, deadline=None)
def test_cluster_sizes_are_counted(n, seed, data):
    s = drawn_matrix(n, seed, top=5)
    picks = np.random.default_rng(seed).permutation(n)[: data.draw(st.integers(1, n))]
    sizes = [0] * len(picks)
    for i in range(n):
        best = min(range(len(picks)), key=lambda t: (picks[t] != i, -s[i, picks[t]], t))
        sizes[best] += 1
    assert cluster_sizes(whole(s), picks).tolist() == sizes
