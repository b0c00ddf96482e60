import numpy as np
import pytest

from coreset_cli.artifacts.corruption import Mark
from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.corruption.vectors import KINDS, VectorOptions, clean_cloud, planned
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.points import Points


def matrix_of(vectors):
    return Matrix([Shard("test.npy", vectors)])


def damage(vectors, *marks, seed=0, **options):
    """The whole array after damage."""
    marks = [Mark(kind, np.asarray(rows, np.int64)) for kind, rows in marks]
    matrix, key = matrix_of(vectors), row_numbers(len(vectors)).key()
    found = planned(matrix, key, marks, seed=seed, options=VectorOptions(**options))
    return found.apply(vectors, np.arange(len(vectors)))


def some_rows(n, m):
    return np.random.default_rng(99).permutation(n)[:m]


def reference(clean):
    """Mean of the clean rows, and their median distance to it."""
    centre = clean.astype(float).mean(0)
    return centre, np.median(np.linalg.norm(clean - centre, axis=1))


@pytest.fixture
def cloud(make_points):
    """[500, 6] float32 away from the origin, and 100 rows of it."""
    return make_points(500, 6, 3) + np.float32(4), some_rows(500, 100)


def test_the_clean_cloud_has_a_mean_and_a_radius(cloud):
    vectors, rows = cloud
    clean = np.delete(vectors, rows, axis=0)
    found = clean_cloud(Points(matrix_of(clean), row_numbers(400).key()))
    centre, radius = reference(clean)
    assert found.mean == pytest.approx(centre)
    assert found.radius == pytest.approx(radius)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_other_rows_keep_every_bit(cloud, kind, dtype):
    vectors, rows = cloud
    vectors = vectors.astype(dtype)
    vectors[7, 0] = -0.0
    before = vectors.copy()
    after = damage(vectors, (kind, rows))
    assert after.dtype == vectors.dtype
    assert vectors.tobytes() == before.tobytes()
    kept = np.delete(np.arange(500), rows)
    assert after[kept].tobytes() == before[kept].tobytes()
    assert (after[rows] != before[rows]).any(axis=1).all()
    assert np.isnan(after[rows]).all() == (kind == "nan")
    assert np.isfinite(after[kept]).all()


def test_a_cluster_is_far_tight_and_moves_the_mean(cloud):
    vectors, rows = cloud
    centre, radius = reference(np.delete(vectors, rows, axis=0))
    after = damage(vectors, ("cluster", rows))
    hit = after[rows]
    assert np.linalg.norm(hit.mean(0) - centre) == pytest.approx(10 * radius, rel=0.01)
    spread = np.linalg.norm(hit - hit.mean(0), axis=1)
    assert np.sqrt((spread**2).mean()) == pytest.approx(0.1 * radius, rel=0.1)
    moved = np.linalg.norm(after.mean(0) - centre)
    assert moved == pytest.approx(0.2 * 10 * radius, rel=0.01)  # ψ·s·R


def test_a_cluster_without_spread_is_one_point_in_the_direction_given(cloud):
    vectors, rows = cloud
    centre, radius = reference(np.delete(vectors, rows, axis=0))
    options = {"spread": 0.0, "scale": 3.0, "direction": (0, 3, 0, 0, -4, 0)}
    after = damage(vectors, ("cluster", rows), **options)
    expected = centre + 3 * radius * np.array([0, 0.6, 0, 0, -0.8, 0])
    assert after[rows] == pytest.approx(np.tile(expected, (100, 1)), rel=1e-6)
    moved = np.linalg.norm(after.mean(0, dtype=float) - centre)
    assert moved == pytest.approx(0.2 * 3 * radius, rel=1e-6)


def test_scattered_rows_are_far_in_all_directions(cloud):
    vectors, rows = cloud
    centre, radius = reference(np.delete(vectors, rows, axis=0))
    after = damage(vectors, ("scatter", rows))
    away = after[rows] - centre
    assert np.linalg.norm(away, axis=1) == pytest.approx(np.full(100, 10 * radius), rel=1e-5)
    # hardly moves: a sum of 100 unit directions is about 10 long, not 100
    assert np.linalg.norm(after.mean(0) - centre) < 0.2 * 10 * radius / 4
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    assert np.linalg.eigvalsh(unit.T @ unit / 100) == pytest.approx(np.full(6, 1 / 6), abs=0.09)


def test_a_shift_adds_one_vector(cloud):
    vectors, rows = cloud
    _, radius = reference(np.delete(vectors, rows, axis=0))
    added = damage(vectors, ("shift", rows), scale=2.5)[rows] - vectors[rows].astype(float)
    assert np.ptp(added, axis=0) == pytest.approx(np.zeros(6), abs=1e-4)
    assert np.linalg.norm(added[0]) == pytest.approx(2.5 * radius, rel=1e-4)
    up = (0.0, 0.0, 7.0, 0.0, 0.0, 0.0)
    added = damage(vectors, ("shift", rows), scale=2.5, direction=up)[rows] - vectors[rows]
    assert added[0] == pytest.approx([0, 0, 2.5 * radius, 0, 0, 0], rel=1e-4)


def test_a_sign_flip_is_exact(cloud):
    vectors, rows = cloud
    assert np.array_equal(damage(vectors, ("sign-flip", rows))[rows], -vectors[rows])
    flipped = damage(vectors, ("sign-flip", rows), gamma=2.5)[rows]
    assert np.array_equal(flipped, (-2.5 * vectors[rows].astype(float)).astype(np.float32))


@pytest.mark.parametrize("m", [1, 100, 225, 400])
def test_the_mean_attack_moves_the_mean_exactly_to_its_target(cloud, m):
    vectors, _ = cloud
    rows = some_rows(500, m)
    centre, radius = reference(np.delete(vectors, rows, axis=0))
    along = (1.0, -1.0, 1.0, 1.0, -1.0, 1.0)
    after = damage(vectors.astype(float), ("mean-attack", rows), direction=along)
    target = centre + 10 * radius * np.array(along) / np.sqrt(6)
    assert after.mean(0) == pytest.approx(target, rel=1e-9)
    assert (after[rows] == after[rows[0]]).all()
    single = damage(vectors, ("mean-attack", rows), direction=along)
    assert single.mean(0, dtype=float) == pytest.approx(target, rel=1e-5)


def test_duplicates_are_copies_of_one_clean_row(cloud):
    vectors, rows = cloud
    chosen = set()
    for seed in range(8):
        after = damage(vectors, ("duplicate", rows), seed=seed)
        assert (after[rows] == after[rows[0]]).all()
        same = np.flatnonzero((vectors == after[rows[0]]).all(axis=1))
        assert len(same) == 1
        assert same[0] not in rows
        chosen.add(int(same[0]))
    assert len(chosen) > 4


@pytest.mark.parametrize("kind", ["cluster", "scatter", "mean-attack"])
@pytest.mark.parametrize("share", [0.2, 0.45])
def test_the_geometric_median_stays_in_its_bound(cloud, kind, share):
    vectors, _ = cloud
    rows = some_rows(500, int(share * 500))
    clean = np.delete(vectors, rows, axis=0).astype(float)
    after = damage(vectors, (kind, rows))
    median = geometric_median(fixed(Points(matrix_of(after), row_numbers(500).key()))).point.numpy()
    distance = np.linalg.norm(clean - clean.mean(0), axis=1).mean()
    bound = 2 * (1 - share) / (1 - 2 * share) * distance
    assert np.linalg.norm(median - clean.mean(0)) <= bound
    if (kind, share) == ("cluster", 0.2):
        moved = np.linalg.norm(after.mean(0) - clean.mean(0))
        assert moved > 3 * np.linalg.norm(median - clean.mean(0))


def test_several_kinds_are_measured_by_the_rows_that_none_hits(cloud):
    vectors, rows = cloud
    one, two, three = np.split(rows, [30, 60])
    after = damage(
        vectors, ("cluster", one), ("scatter", two), ("shift", []), ("sign-flip", three), spread=0.0
    )
    centre, radius = reference(np.delete(vectors, rows, axis=0))
    for hit in (one, two):
        away = np.linalg.norm(after[hit] - centre, axis=1)
        assert away == pytest.approx(np.full(30, 10 * radius), rel=1e-5)
    assert np.array_equal(after[three], -vectors[three])
    kept = np.delete(np.arange(500), rows)
    assert np.array_equal(after[kept], vectors[kept])


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_and_the_order_of_rows_change_nothing(cloud, kind):
    vectors, rows = cloud
    vectors = vectors.astype(float)
    whole = damage(vectors, (kind, rows), seed=5)
    order = np.random.default_rng(2).permutation(500)
    place = np.argsort(order)
    key = row_numbers(500).key().take(order)
    mark = Mark(kind, place[rows])
    matrix = matrix_of(vectors[order])
    found = planned(matrix, key, [mark], seed=5, options=VectorOptions())
    pieces = [np.arange(start, min(start + 64, 500)) for start in range(0, 500, 64)]
    again = np.concatenate([found.apply(vectors[order][piece], piece) for piece in pieces])
    np.testing.assert_allclose(again[place], whole, rtol=1e-9)
    some = np.array([3, 400, 17])
    assert np.array_equal(found.apply(vectors[order][some], some), again[some], equal_nan=True)


@pytest.mark.parametrize("kind", ["cluster", "scatter", "shift", "mean-attack", "duplicate"])
def test_the_seed_draws_the_direction(cloud, kind):
    vectors, rows = cloud
    one, same, other = (damage(vectors, (kind, rows), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_kinds_have_directions_of_their_own(cloud):
    vectors, rows = cloud
    one, two = np.split(rows, 2)
    after = damage(vectors, ("cluster", one), ("mean-attack", two), spread=0.0)
    centre, _ = reference(np.delete(vectors, rows, axis=0))
    first, second = after[one[0]] - centre, after[two[0]] - centre
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert abs(cosine) < 0.99


def test_untouched_blocks_are_not_copied(cloud):
    vectors, _ = cloud
    mark = Mark("sign-flip", np.array([400]))
    found = planned(
        matrix_of(vectors), row_numbers(500).key(), [mark], seed=0, options=VectorOptions()
    )
    assert found.apply(vectors[:100], np.arange(100)) is not None
    assert np.shares_memory(found.apply(vectors[:100], np.arange(100)), vectors)


def test_what_float16_cannot_hold_is_refused(cloud):
    vectors, rows = cloud
    half = vectors.astype(np.float16)
    with pytest.raises(NotFinite, match=r"cluster would give row \d+ a value of .*float16.*scale"):
        damage(half, ("cluster", rows), scale=1e6)
    with pytest.raises(NotFinite, match=f"row {min(rows)} .*as float32"):
        damage(half, ("sign-flip", rows), gamma=1e6)
    assert np.isfinite(damage(vectors, ("cluster", rows), scale=1e6)).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "duplicate"])
def test_whole_numbers_are_refused(cloud, kind):
    _, rows = cloud
    numbers = np.arange(3000, dtype=np.int8).reshape(500, 6)
    with pytest.raises(InvalidParameter, match=r"holds int8.*float32"):
        damage(numbers, (kind, rows))


def test_whole_numbers_have_duplicates(cloud):
    _, rows = cloud
    numbers = np.arange(3000, dtype=np.int32).reshape(500, 6)
    after = damage(numbers, ("duplicate", rows))
    assert after.dtype == np.int32
    assert after[rows[0], 0] % 6 == 0
    assert np.array_equal(np.diff(after[rows], axis=1), np.ones((100, 5)))


@pytest.mark.parametrize("kind", ["cluster", "duplicate", "mean-attack"])
def test_some_row_must_stay_clean(cloud, kind):
    vectors, _ = cloud
    with pytest.raises(InvalidParameter, match="would be damaged, by the measure"):
        damage(vectors, (kind, np.arange(500)))


def test_every_row_may_be_flipped(cloud):
    vectors, _ = cloud
    assert np.array_equal(damage(vectors, ("sign-flip", np.arange(500))), -vectors)


def test_no_row_may_be_hit(cloud):
    vectors, _ = cloud
    assert np.array_equal(damage(vectors, ("cluster", []), ("mean-attack", [])), vectors)


def test_one_point_has_no_far_and_near(cloud):
    vectors, rows = cloud
    same = np.ones_like(vectors)
    with pytest.raises(InvalidParameter, match="are one point"):
        damage(same, ("cluster", rows))


def test_clean_rows_must_be_finite(cloud):
    vectors, rows = cloud
    vectors[np.delete(np.arange(500), rows)[0], 2] = np.nan
    with pytest.raises(NotFinite, match="hold NaN"):
        damage(vectors, ("cluster", rows))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": 0.0}, "scale 0 is no positive number"),
        ({"scale": float("nan")}, "scale"),
        ({"gamma": -1.0}, "gamma"),
        ({"gamma": float("inf")}, "gamma"),
        ({"spread": -0.1}, "spread"),
        ({"spread": float("nan")}, "spread"),
        ({"direction": (0.0, 0.0)}, "direction has no length"),
        ({"direction": (1.0, float("inf"))}, "direction"),
        ({"direction": (1.0, 2.0)}, "direction has 2 values, and vectors of test.npy have 6"),
    ],
)
def test_impossible_options_are_refused(cloud, options, said):
    vectors, rows = cloud
    with pytest.raises(InvalidParameter, match=said):
        damage(vectors, ("shift", rows), **options)


def test_unknown_kinds_are_refused(cloud):
    vectors, rows = cloud
    with pytest.raises(InvalidParameter, match="'custer'; did you mean cluster"):
        damage(vectors, ("custer", rows))
