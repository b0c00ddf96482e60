"""Robust herding and trust: no wrong row is picked, and where none is wrong it is herding."""

from dataclasses import replace

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.compose.judged import Judged
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.robust_herding import BEYOND, RobustHerding
from coreset_cli.methods.trust import Trust
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

BARE = Judged(method=RobustHerding(), judge=Trust())
WHOLE = Judged(method=PerClass(method=RobustHerding()), judge=Trust())


def blobs(n=600, d=12, c=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % c
    rows = 2 * rng.normal(size=(c, d))[codes] + rng.normal(size=(n, d))
    return rows.astype(np.float32), codes


def noisy(codes, share):
    rng = np.random.default_rng(1)
    labels = codes.copy()
    wrong = rng.permutation(len(codes))[: int(share * len(codes))]
    labels[wrong] = (codes[wrong] + rng.integers(1, 3, len(wrong))) % 3
    return labels


def picks_of(selector, rows, labels=None, k=100):
    return choose(selector, inputs_of(rows, labels), k, Rng(0))


def given(rows, trust, k, **settings):
    """Picks with trust that is made by hand."""
    data = replace(inputs_of(rows), scores=np.asarray(trust, np.float64))
    return choose(RobustHerding(**settings), data, k, Rng(0))


def herded(rows, target, k):
    """Rows whose running mean follows a target, by the definition, ten lines of NumPy."""
    rows, picks, theta = rows.astype(np.float64), [], target.copy()
    for _ in range(k):
        far = np.linalg.norm(rows - theta, axis=1)
        far[picks] = np.inf
        picks.append(int(far.argmin()))
        theta = theta + target - rows[picks[-1]]
    return picks


def test_the_target_is_the_mean_weighted_by_trust():
    rng = np.random.default_rng(0)
    rows, trust = rng.normal(size=(80, 5)).astype(np.float32), rng.uniform(0.4, 1, 80)
    target = np.average(rows.astype(np.float64), axis=0, weights=trust)
    free = np.flatnonzero(trust >= 0.7)
    expected = free[herded(rows[free], target, 12)]
    found = given(rows, trust, 12, confidence=0.7)
    assert found.rows.tolist() == expected.tolist()
    assert found.scores.tolist() == trust[expected].tolist()
    assert found.facts["distrusted"] == pytest.approx((trust < 0.7).mean())
    residual = np.linalg.norm(rows[expected].mean(0, dtype=np.float64) - target)
    assert found.facts["residual"] == pytest.approx(residual, rel=1e-2)


def test_the_distrusted_follow_the_most_trusted_first():
    trust = [0.96, 0.2, 0.99, 0.5, 0.0, 0.5]
    found = given(np.arange(6, dtype=np.float32)[:, None], trust, 5)
    assert sorted(found.rows[:2].tolist()) == [0, 2]
    assert found.rows[2:].tolist() == [3, 5, 1]
    assert found.notes == (BEYOND,)
    assert given(np.arange(6, dtype=np.float32)[:, None], trust, 2).notes == ()


def test_rows_of_lower_trust_are_herded_too_level_by_level():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(40, 3)).astype(np.float32)
    trust = np.repeat([0.99, 0.9, 0.6, 0.3], 10)
    found = given(rows, trust, 36).rows
    target = (trust @ rows.astype(np.float64)) / trust.sum()
    theta, wanted = target.copy(), []
    for level in range(3):
        left = list(range(10 * level, 10 * level + 10))
        while left:
            pick = min(left, key=lambda row: np.linalg.norm(rows[row] - theta))
            left.remove(pick)
            wanted.append(pick)
            theta = theta + target - rows[pick]
    np.testing.assert_array_equal(found[:30], wanted)
    np.testing.assert_array_equal(found[30:], range(30, 36))


def test_copies_do_not_pull_the_target():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(60, 2)).astype(np.float32)
    copied = np.concatenate([rows, np.tile(rows[7], (50, 1))])
    alone = given(rows, np.ones(60), 20).rows
    np.testing.assert_array_equal(given(copied, np.ones(110), 20).rows, alone)


def test_a_copy_follows_all_first_ones():
    rows = np.float32([[0], [4], [4], [9], [0]])
    assert sorted(given(rows, np.ones(5), 3).rows.tolist()) == [0, 1, 3]
    assert given(rows, np.ones(5), 5).rows[3:].tolist() == [2, 4]
    first_distrusted = given(rows, [1, 0, 1, 1, 1], 3)
    assert sorted(first_distrusted.rows.tolist()) == [0, 2, 3]


def test_nobody_is_trusted():
    found = given(np.arange(4, dtype=np.float32)[:, None], [0, 0, 0.5, 0], 3)
    assert found.rows.tolist() == [2, 0, 1]
    assert found.notes == (BEYOND,)
    assert found.facts["residual"] == 0


@pytest.mark.parametrize("confidence", [0.0, -1.0, 1.01, float("nan")])
def test_impossible_confidences(confidence):
    with pytest.raises(InvalidParameter, match="above 0 and at most 1"):
        RobustHerding(confidence=confidence)
    with pytest.raises(InvalidParameter, match="reach is"):
        Trust(reach=min(confidence, 0.0))


def test_where_nothing_is_wrong_it_is_herding():
    rows, codes = blobs()
    found = picks_of(WHOLE, rows, codes)
    herding = picks_of(PerClass(method=Herding()), rows, codes)
    assert found.facts["distrusted"] < 0.01
    assert len(set(found.rows.tolist()) & set(herding.rows.tolist())) > 80
    free = given(rows, np.ones(600), 100).rows.tolist()  # all trusted: to the last row
    assert free == picks_of(Herding(), rows).rows.tolist()


@pytest.mark.parametrize("selector", [WHOLE, BARE])
def test_no_wrong_label_is_picked(selector):
    """40 % are wrong, 30 % are picked."""
    rows, codes = blobs()
    labels = noisy(codes, 0.4)
    found = picks_of(selector, rows, labels, 180)
    assert (labels == codes)[found.rows].all()
    plain = picks_of(PerClass(method=Herding()), rows, labels, 180).rows
    assert (labels != codes)[plain].mean() > 0.1


@pytest.mark.parametrize("kind", ["cluster", "scatter", "copies"])
@pytest.mark.parametrize("labelled", [True, False])
def test_no_corrupted_row_is_picked(kind, labelled):
    rows, codes = blobs()
    rng = np.random.default_rng(2)
    bad = rng.permutation(600)[:270]
    if kind == "cluster":
        rows[bad] = 60 + rows[bad] / 10
    elif kind == "scatter":
        rows[bad] *= 20
    else:
        rows[bad] = rows[1]  # its label is 1
    found = picks_of(WHOLE if labelled else BARE, rows, codes if labelled else None, 120)
    assert len(np.intersect1d(found.rows, bad)) <= (1 if kind == "copies" else 0)


def test_trust_ranks_by_how_far_rows_are_trusted():
    rows, codes = blobs()
    labels = noisy(codes, 0.2)
    found = picks_of(ByScore(method=Trust()), rows, labels, 600)
    wrong = labels != codes
    assert wrong[found.rows[-wrong.sum() :]].mean() > 0.97
    assert (np.diff(found.scores) <= 1e-6).all()  # ranked in single precision


def test_ids_decide_and_not_the_place_of_a_row():
    rows, codes = blobs(300)
    labels, ids = noisy(codes, 0.3), np.arange(300) * 5
    order = np.random.default_rng(3).permutation(300)
    first = choose(WHOLE, inputs_of(rows, labels, ids), 60, Rng(0)).rows
    second = choose(WHOLE, inputs_of(rows[order], labels[order], ids[order]), 60, Rng(0)).rows
    assert ids[first].tolist() == ids[order][second].tolist()


def test_a_smaller_selection_comes_first():
    rows, codes = blobs(300)
    labels = noisy(codes, 0.3)
    whole = picks_of(WHOLE, rows, labels, 300).rows.tolist()
    assert sorted(whole) == list(range(300))
    for k in (1, 50, 200):
        assert picks_of(WHOLE, rows, labels, k).rows.tolist() == whole[:k]


@pytest.mark.parametrize("kind", ["crossed", "rings", "by chance"])
def test_classes_that_no_plane_divides_are_trusted(kind):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 4)).astype(np.float32)
    labels = {
        "crossed": rows[:, 0] * rows[:, 1] > 0,
        "rings": np.linalg.norm(rows, axis=1) > 1.8,
        "by chance": rng.random(900) < 0.5,
    }[kind].astype(int)
    assert picks_of(WHOLE, rows, labels).facts["distrusted"] < 0.02
