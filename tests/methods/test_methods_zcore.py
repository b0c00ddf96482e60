import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.zcore import Zcore
from coreset_cli.seeds import Rng

rng = np.random.default_rng(0)


def scores(rows, method=None, seed=0):
    return (method or Zcore()).score(inputs_of(rows.astype(np.float32)), Rng(seed))


def test_scores_lie_between_0_and_1():
    found = scores(rng.normal(size=(80, 4)))
    assert found.min() == 0
    assert found.max() == 1


def test_a_cluster_of_twins_scores_below_a_lone_region():
    dense = np.repeat(rng.normal(size=(8, 2)), 10, axis=0)
    lone = rng.normal(size=(8, 2)) + np.array([6, 0])
    found = scores(np.vstack([dense, lone]), Zcore(draws_per_row=50))
    assert found[:80].mean() < found[80:].mean()


def test_the_second_of_two_copies_is_lowered():
    rows = rng.normal(size=(30, 3))
    rows[20] = rows[10]
    found = scores(rows, Zcore(draws_per_row=50))
    assert found[20] < found[10]


def test_constant_rows_go_by_their_start():
    first, second = scores(np.ones((20, 3)), seed=1), scores(np.ones((20, 3)), seed=2)
    assert len(set(first)) == 20
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


def test_one_row():
    assert scores(np.ones((1, 2))).tolist() == [0]


@pytest.mark.parametrize("bad", ["draws", "draws_per_row", "neighbours"])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(InvalidParameter, match=bad):
        Zcore(**{bad: 0})
