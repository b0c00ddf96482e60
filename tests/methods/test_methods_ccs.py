from dataclasses import replace

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.ccs import Ccs
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose


def pick(method, scores, k, seed=0):
    data = inputs_of(np.zeros((len(scores), 1), np.float32))
    return choose(method, replace(data, scores=np.array(scores, float)), k, Rng(seed))


def in_strata(sizes):
    """A score with so many rows in each quarter of its range."""
    return np.concatenate([np.full(size, float(value)) for value, size in enumerate(sizes)])


def quotas(rows, sizes):
    return np.bincount(in_strata(sizes)[rows].astype(int), minlength=len(sizes)).tolist()


@pytest.mark.parametrize(
    ("sizes", "k", "expected"),
    [
        ((5, 1, 0, 10), 9, [4, 1, 0, 4]),
        ((5, 1, 0, 10), 16, [5, 1, 0, 10]),
        ((2, 10, 30, 3), 20, [2, 7, 8, 3]),
    ],
)
def test_strata_share_as_worked_by_hand(sizes, k, expected):
    for shift in (0, -100):  # a negative score loses no row
        found = pick(Ccs(strata=4), in_strata(sizes) + shift, k)
        assert quotas(found.rows, sizes) == expected
        assert found.facts["strata"] == np.count_nonzero(sizes)


def test_strata_take_turns():
    found = pick(Ccs(strata=4), in_strata((5, 1, 0, 10)), 9)
    assert in_strata((5, 1, 0, 10))[found.rows].tolist() == [0, 1, 3, 0, 3, 0, 3, 0, 3]
    assert found.scores.tolist() == [0, 1, 3, 0, 3, 0, 3, 0, 3]


def test_rows_of_a_stratum_are_drawn_alike():
    """Of 12 rows, 4 in each of three strata, one each is drawn; 3σ of 400 draws of ¼ is 26."""
    rows = np.concatenate(
        [pick(Ccs(strata=3), in_strata((4, 4, 4)), 3, s).rows for s in range(400)]
    )
    assert (np.abs(np.bincount(rows, minlength=12) - 100) < 4 * np.sqrt(400 * 3 / 16)).all()


def test_one_score_is_a_uniform_sample():
    constant = pick(Ccs(), np.full(30, 2.5), 12)
    one = pick(Ccs(strata=1), np.arange(30.0), 12)
    assert constant.rows.tolist() == one.rows.tolist()
    assert len({tuple(pick(Ccs(), np.ones(30), 12, seed).rows) for seed in range(5)}) == 5


def test_the_hardest_are_dropped_first():
    scores = np.arange(20.0)
    assert set(pick(Ccs(beta=0.5), scores, 10).rows) == set(range(10))
    assert set(pick(Ccs(beta=0.5), scores, 15).rows) == set(range(15))  # no more than are spare
    assert max(pick(Ccs(beta=0.1), scores, 18).rows) == 17


def test_strata_are_those_of_the_rows_that_are_left():
    """With 1000 dropped, the range is 0 to 9, and two strata of five rows."""
    scores = np.append(np.arange(10.0), 1000)
    kept = pick(Ccs(beta=0.1, strata=2), scores, 4).rows
    assert sorted(kept // 5) == [0, 0, 1, 1]


def test_impossible_settings_are_refused():
    for beta in (-0.1, 1.0):
        with pytest.raises(InvalidParameter, match="beta"):
            Ccs(beta=beta)
    with pytest.raises(InvalidParameter, match="strata is 0"):
        Ccs(strata=0)
