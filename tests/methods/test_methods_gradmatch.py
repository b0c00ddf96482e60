"""gradmatch: what it matches, what it adds, and its weights."""

import numpy as np
import pytest
from snapshots import drawn_shot, seen_by, shot_of_logits, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import last_layer
from coreset_cli.methods.gradmatch import FILLED, Gradmatch
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 120
CODES = np.random.default_rng(5).integers(0, 3, N)


def match(data, k, **settings):
    return choose(Gradmatch(**settings), data, k, Rng(0))


def test_the_weighted_sum_nears_the_sum_of_all():
    shot = drawn_shot(N, 3, 20)
    long = whole(last_layer(shot, CODES, np.arange(N)))
    target = long.sum(0)
    left = []
    for k in (2, 10, 30):
        picks = match(seen_by(shot, CODES), k, ridge=0.0)
        residual = np.linalg.norm(target - picks.weights @ long[picks.rows])
        left.append(residual / np.linalg.norm(target))
        assert picks.facts == {"residual": pytest.approx(left[-1]), "filled": 0}
    assert left[0] > 2 * left[1] > 4 * left[2]


def test_rows_that_are_not_needed_follow_by_alignment():
    logits = np.log([[0.5, 0.5], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2]])
    shot = shot_of_logits(logits, np.ones((4, 1)))  # every gradient points the same way
    picks = match(seen_by(shot, np.zeros(4)), 4, ridge=0.0)
    assert picks.rows.tolist() == [0, 1, 2, 3]
    assert picks.weights == pytest.approx([4 * 0.35 / 0.5] * 4)
    assert picks.notes == (FILLED,)
    assert picks.facts["filled"] == 3


def test_fitted_rows_go_by_id_with_weight_1():
    shot = shot_of_logits(np.tile([900, 0], (5, 1)), np.ones((5, 2)))
    picks = match(seen_by(shot, np.zeros(5), [9, 7, 5, 3, 1]), 3)
    assert picks.rows.tolist() == [4, 3, 2]
    assert picks.weights.tolist() == [1, 1, 1]
    assert picks.facts["residual"] == 0


def test_equal_rows_go_by_id():
    shot = shot_of_logits(np.zeros((50, 3)), np.full((50, 7), 0.1))
    assert match(seen_by(shot, np.ones(50), np.arange(50)[::-1]), 12).rows.tolist() == list(
        range(49, 37, -1)
    )


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_one_row_has_weight_1(ridge):
    picks = match(seen_by(drawn_shot(1, 3, 4), [1]), 1, ridge=ridge)
    assert picks.weights.tolist() == [1]


@pytest.mark.parametrize("settings", [{"ridge": -1.0}, {"tolerance": float("nan")}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="at least 0"):
        Gradmatch(**settings)
