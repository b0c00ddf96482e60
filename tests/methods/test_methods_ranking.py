"""easy, hard and moderate: hand-worked lists and the scopes."""

import logging

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.commands.register import make_method
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels import prototypicality
from coreset_cli.methods.easy import Easy
from coreset_cli.methods.hard import Hard
from coreset_cli.methods.moderate import Moderate
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

LINE = [[0], [1], [2], [3], [10]]


def pick(method, data, k):
    return choose(method, data, k, Rng(0)).rows.tolist()


def test_hand_worked_lists():
    data = inputs_of(LINE)
    assert pick(ByScore(method=Easy()), data, 5) == [3, 2, 1, 0, 4]
    assert pick(ByScore(method=Hard()), data, 5) == [4, 0, 1, 2, 3]
    expected = [[1], [1, 2], [1, 2, 0], [1, 2, 0, 3]]
    assert [pick(Moderate(), data, k) for k in (1, 2, 3, 4)] == expected


def test_scores_are_the_distances():
    found = choose(ByScore(method=Easy()), inputs_of(LINE), 5, Rng(0))
    assert found.scores.tolist() == pytest.approx([0.2, 1.2, 2.2, 3.2, 6.8])
    assert choose(Moderate(), inputs_of(LINE), 2, Rng(0)).scores.tolist() == pytest.approx(
        [2.2, 1.2]
    )


def at_distances(distances):
    """Rows in pairs either side of the centre, and so at exactly these distances from it."""
    return np.float32([[sign * d] for d in distances for sign in (1, -1)])


def test_moderate_rules_differ_where_distances_are_skewed():
    distances = np.float32([0, 1, 2, 3, 10, 11, 12])
    around = np.stack([distances, np.zeros(7, np.float32)], 1)
    rows = np.vstack([around, -around])  # mean 0; each distance twice, ties by id
    window = pick(Moderate(rule="window"), inputs_of(rows), 6)
    median = pick(Moderate(rule="median"), inputs_of(rows), 6)
    assert sorted(np.abs(rows[window, 0])) == [2, 2, 3, 3, 10, 10]
    assert median == [3, 10, 2, 9, 1, 8]  # median 3; 3, 3, then 2, 2, then 1, 1, each by id


def test_moderate_median_prefers_the_smaller_of_equally_far_distances():
    rows = at_distances([1, 2, 3])  # median 2; 1 and 3 are as far from it
    assert pick(Moderate(rule="median"), inputs_of(rows), 6) == [2, 3, 0, 1, 4, 5]


def test_easy_and_hard_part_the_rows():
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    data = inputs_of(rows)
    for k in (1, 13, 39):
        easy = pick(ByScore(method=Easy()), data, k)
        hard = pick(ByScore(method=Hard()), data, 40 - k)
        assert sorted(easy + hard) == list(range(40))


@pytest.mark.parametrize(
    ("centre", "value"), [("mean", 3.2), ("median", 2.0), ("gm", 2.0)]
)  # the geometric median of a line is its median
def test_centres(centre, value):
    scores = Easy(centre=centre).score(inputs_of(LINE), Rng(0))
    assert scores.tolist() == pytest.approx(np.abs(np.ravel(LINE) - value).tolist(), abs=1e-6)


TWO = np.float32([[0], [2], [7], [100], [104], [106]])
CLASSES = ["a", "a", "a", "b", "b", "b"]  # means 3 and 103.33: distances 3 1 4, 3.33 .67 2.67


def test_scope_global_ranks_all_classes_by_their_own_centres():
    data = inputs_of(TWO, CLASSES)
    assert pick(ByScore(method=Easy(scope="global")), data, 6) == [4, 1, 5, 0, 3, 2]
    assert pick(ByScore(method=Hard(scope="global")), data, 3) == [2, 3, 0]
    assert pick(Moderate(scope="global"), data, 2) == [5, 0]


def test_scope_pool_does_not_read_labels():
    assert pick(ByScore(method=Easy()), inputs_of(TWO, CLASSES), 6) == pick(
        ByScore(method=Easy()), inputs_of(TWO), 6
    )


def test_per_class_has_a_centre_each():
    data = inputs_of(TWO, CLASSES)
    assert pick(PerClass(method=ByScore(method=Easy())), data, 6) == [1, 4, 0, 5, 2, 3]


def test_pairs_in_a_global_ranking_get_half_their_separation():
    rows = np.float32([[0.1, 0], [0.7, 0], [5, 5], [5, 9]])
    scores = Easy(scope="global").score(inputs_of(rows, [0, 0, 1, 1]), Rng(0))
    assert scores[0] == scores[1] == pytest.approx(0.3)
    assert scores[2] == scores[3] == 2


def test_a_median_that_does_not_converge_is_logged(monkeypatch, caplog):
    kernel = prototypicality.geometric_median
    monkeypatch.setattr(
        prototypicality, "geometric_median", lambda points: kernel(points, max_iterations=1)
    )
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) ** 3
    with caplog.at_level(logging.WARNING):
        Easy(centre="gm").score(inputs_of(rows), Rng(0))
    assert "did not converge" in caplog.text


def test_unknown_choices_are_refused_with_the_nearest():
    with pytest.raises(InvalidParameter, match="centre cannot be 'medain'; did you mean median"):
        make_method("easy", {"centre": "medain"})
