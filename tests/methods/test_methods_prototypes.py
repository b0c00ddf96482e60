import numpy as np
import pytest
from clouds import inputs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.prototypes import SCARCE, Prototypes
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ROWS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32) + 1
CLASSES = np.repeat([0, 1, 2], [40, 15, 5])


def picks(method, k, rows=ROWS, labels=None, seed=0):
    return choose(method, inputs_of(rows, labels), k, Rng(seed))


def by_mean_direction(rows):
    unit = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    mean = unit.sum(0)
    return 1 - unit @ mean / np.linalg.norm(mean)


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_one_cluster_ranks_by_the_cosine_to_the_mean(keep):
    away = by_mean_direction(ROWS)
    found = picks(Prototypes(keep=keep, clusters=1), 60)
    assert found.rows.tolist() == np.argsort(-away if keep == "hard" else away).tolist()
    assert found.scores == pytest.approx(away[found.rows], abs=1e-8)  # lengths have 29 bits


def test_every_row_its_own_cluster():
    found = picks(Prototypes(clusters=60, rows_per_cluster=1), 60)
    assert found.scores.max() < 1e-12
    assert found.facts["clusters"] == 60


def test_clusters_follow_the_rows():
    assert picks(Prototypes(), 20).facts["clusters"] == 2
    assert picks(Prototypes(rows_per_cluster=7), 20).facts["clusters"] == 9
    assert picks(Prototypes(rows_per_cluster=7, clusters=3), 20).facts["clusters"] == 3


def test_rows_between_clusters_are_hard():
    rng = np.random.default_rng(1)
    tight = np.repeat(np.eye(3), 20, axis=0) + 0.02 * rng.normal(size=(60, 3))
    rows = np.vstack([tight, [[1, 1, 0], [0, 1, 1]]]).astype(np.float32)
    method = Prototypes(clusters=3, rows_per_cluster=1)
    assert any(set(picks(method, 2, rows, seed=seed).rows) == {60, 61} for seed in range(3))


def test_the_seed_draws_the_start():
    method = Prototypes(rows_per_cluster=4)
    assert len({tuple(picks(method, 20, seed=s).rows) for s in range(4)}) > 1
    assert picks(method, 20, seed=1).rows.tolist() == picks(method, 20, seed=1).rows.tolist()


def test_few_hard_rows_come_with_a_warning():
    assert SCARCE in picks(Prototypes(), 11).notes
    assert SCARCE not in picks(Prototypes(), 12).notes
    assert SCARCE not in picks(Prototypes(keep="easy"), 5).notes


@settings(max_examples=20, deadline=None)
@given(k=st.integers(1, 60), floor=st.sampled_from([0.1, 0.5, 1.0]))
def test_a_floor_gives_every_class_its_part(k, floor):
    found = picks(Prototypes(class_floor=floor, clusters=1), k, labels=CLASSES)
    whole = picks(Prototypes(clusters=1), 60).rows
    place = np.argsort(whole)
    parts = [int(round(floor * 10) * k * m // 600) for m in (40, 15, 5)]
    assert (np.bincount(CLASSES[found.rows], minlength=3) >= parts).all()
    assert (np.diff(place[found.rows]) > 0).all()  # in the order of the ranking
    firsts = [row for c in range(3) for row in whole[CLASSES[whole] == c][: parts[c]]]
    rest = [row for row in whole if row not in firsts][: k - len(firsts)]
    assert set(found.rows) == set(firsts) | set(rest)


def test_a_floor_reads_labels_and_gives_up_prefixes():
    assert Prototypes(class_floor=0.5).needs == {"embeddings", "labels"}
    assert not Prototypes(class_floor=0.5).prefix
    assert Prototypes().prefix


@pytest.mark.parametrize("bad", [{"clusters": 0}, {"rows_per_cluster": 0}, {"class_floor": 1.1}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(InvalidParameter, match=next(iter(bad))):
        Prototypes(**bad)
