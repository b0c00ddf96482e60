import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.semdedup import Semdedup
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose


def at(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def pick(method, rows, k, seed=0):
    return choose(method, inputs_of(rows), k, Rng(seed))


def test_hand_worked_angles():
    """About the mean direction of 22.9°, `hard` sees 90° first, then 0°, 5° and 10°.

    Largest cosines to rows before: −1 for 90°, cos 90° for 0°, cos 5° for 5° and for 10°.
    """
    found = pick(Semdedup(), at(0, 5, 10, 90), 4)
    assert found.rows.tolist() == [3, 0, 1, 2]
    assert found.scores[:2].tolist() == pytest.approx([-1, 0], abs=1e-4)
    assert found.scores[2:] == pytest.approx(np.cos(np.radians([5, 5])), abs=1e-4)


def test_a_chain_of_copies_collapses():
    """1 − ε = .99 keeps 90° and 0°: 10° is near 5°, which is gone itself."""
    found = pick(Semdedup(), at(0, 5, 10, 90), 2)
    assert set(found.rows) == {0, 3}
    whole = pick(Semdedup(), at(0, 5, 10, 90), 4).scores
    assert (whole > 0.99).sum() == 2


def test_easy_keeps_the_row_nearest_to_the_centre():
    """The mean direction of 0°, 4°, 8°, 30° is about 10°: of the near ones 8° is first."""
    assert pick(Semdedup(keep="easy"), at(0, 4, 8, 30), 4).rows[0] == 2
    assert pick(Semdedup(keep="hard"), at(0, 4, 8, 30), 4).rows[0] == 3


def test_random_is_drawn_from_the_seed():
    rows = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    assert len({pick(Semdedup(keep="random"), rows, 1, s).rows[0] for s in range(9)}) > 3


def test_greedy_keeps_the_end_of_a_chain():
    """`hard` sees 90°, 0°, 5°, 10°: 10° is near 5°, but 5° is not kept; cos 10° for its score."""
    found = pick(Semdedup(rule="greedy"), at(0, 5, 10, 90), 3)
    assert set(found.rows) == {0, 2, 3}
    assert found.scores[-1] == pytest.approx(np.cos(np.radians(10)), abs=1e-4)
    assert found.facts["epsilon"] == pytest.approx(1 - np.cos(np.radians(10)), abs=1e-4)


def test_greedy_keeps_rows_further_apart():
    rows = np.random.default_rng(2).normal(size=(120, 3)).astype(np.float32)
    epsilon = {
        rule: pick(Semdedup(rule=rule), rows, 40).facts["epsilon"] for rule in ("max", "greedy")
    }
    assert epsilon["greedy"] > epsilon["max"]


@pytest.mark.parametrize("rule", ["max", "greedy"])
@pytest.mark.parametrize("keep", ["hard", "easy", "random"])
def test_copies_go_last(keep, rule):
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    twice = np.vstack([rows, 4 * rows[:25]])
    found = pick(Semdedup(keep=keep, rule=rule), twice, 65)
    kept = found.rows[:40]
    assert sorted(kept % 40) == list(range(40))
    assert (found.scores[40:] > 1 - 1e-9).all()
    assert (np.diff(found.scores) >= 0).all()


def test_epsilon_is_the_threshold_that_would_keep_as_many():
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole = pick(Semdedup(), rows, 50).scores
    for k in (2, 10, 49):
        epsilon = pick(Semdedup(), rows, k).facts["epsilon"]
        assert (whole <= 1 - epsilon + 1e-12).sum() == k


def test_rows_of_other_clusters_are_not_compared():
    rng = np.random.default_rng(1)
    blobs = np.repeat(np.eye(4), 15, axis=0) + 0.05 * rng.normal(size=(60, 4))
    found = pick(Semdedup(rows_per_cluster=14), blobs.astype(np.float32), 60)
    assert (found.scores == -1).sum() == 5  # the first row of each of ⌈60/14⌉ clusters
    assert (
        pick(Semdedup(rows_per_cluster=15), blobs.astype(np.float32), 60).scores == -1
    ).sum() == 1


def test_impossible_settings_are_refused():
    with pytest.raises(InvalidParameter, match="rows_per_cluster"):
        Semdedup(rows_per_cluster=0)
