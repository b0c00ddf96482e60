from dataclasses import replace

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.methods.topk import Topk
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose


def pick(scores, keep, k, ids=None):
    data = inputs_of(np.zeros((len(scores), 1), np.float32), None, ids)
    data = replace(data, scores=np.array(scores, float))
    return choose(Topk(keep=keep), data, k, Rng(0))


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("high", [4, 0, 2, 3, 1]), ("low", [1, 3, 0, 2, 4]), ("middle", [0, 3, 2, 1, 4])],
)
def test_ends_worked_by_hand(keep, expected):
    """Ascending: 1, 3, 0, 2, 4; 0 and 2 are equal."""
    found = pick([2, -1, 2, 0, 7], keep, 5)
    assert found.rows.tolist() == expected
    assert found.scores.tolist() == [[2, -1, 2, 0, 7][row] for row in expected]


def test_equal_scores_go_by_id_at_both_ends():
    assert pick([1, 1, 1], "high", 2, [5, 3, 4]).rows.tolist() == [1, 2]
    assert pick([1, 1, 1], "low", 2, [5, 3, 4]).rows.tolist() == [1, 2]


def test_scores_are_compared_as_they_are():
    """As float32 the first two would be equal, and the others infinite."""
    assert pick([1, 1 + 1e-12, 1e300, -1e300, 1e301], "high", 5).rows.tolist() == [4, 2, 1, 0, 3]


def test_a_cut_through_many_equal_rows_is_told():
    ratings = [5.0] * 3 + [4.0] * 20 + [1.0] * 7
    told = pick(ratings, "high", 10)
    assert told.facts == {"tied": 20}
    assert "decided by their ids alone" in told.notes[0]
    assert pick(ratings, "high", 3).notes == pick(ratings, "high", 23).notes == ()
