"""gradmatch: what it matches, what it adds, and its weights."""

import numpy as np
import pytest
from scipy.optimize import nnls
from snapshots import drawn_shot, seen_by, shot_of_logits, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import last_layer, residual
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


@pytest.mark.parametrize(
    ("batch", "k", "ridge"), [(1, 9, 0.5), (9, 36, 0.0), (9, 36, 0.5), (9, 40, 0.5)]
)
def test_weights_of_batches_are_those_of_least_squares(batch, k, ridge):
    """120 rows are 13 batches of 9 and one of 3; SciPy's solver on the batches that were picked."""
    shot = drawn_shot(N, 3, 20)
    long = whole(last_layer(shot, CODES, np.arange(N)))
    sums = np.stack([long[start : start + batch].sum(0) for start in range(0, N, batch)])
    found = match(seen_by(shot, CODES), k, batch=batch, ridge=ridge)
    picks = list(dict.fromkeys((found.rows // batch).tolist()))
    absolute = ridge * np.mean((sums**2).sum(1))
    tall = np.vstack([sums[picks].T, np.sqrt(absolute) * np.eye(len(picks))])
    expected, _ = nnls(tall, np.append(long.sum(0), np.zeros(len(picks))))
    left = np.linalg.norm(long.sum(0) - expected @ sums[picks]) / np.linalg.norm(long.sum(0))
    assert found.facts == {"residual": pytest.approx(left), "filled": 0}
    for one, weight in zip(picks, expected, strict=True):
        mine = found.rows // batch == one
        size = len(long[batch * one : batch * (one + 1)])
        assert found.weights[mine] == pytest.approx([weight * size / mine.sum()] * mine.sum())


def test_a_short_batch_among_the_picks_is_made_up_for():
    """Five rows in batches of 2 for 4: errors 0, .1 and 1, so the short one is first, then .1."""
    logits = [[9, 0], [9, 0], [3, 0], [3, 0], [0, 9]]
    found = match(seen_by(shot_of_logits(logits, np.ones((5, 1))), np.zeros(5, int)), 4, batch=2)
    assert found.rows.tolist() == [4, 2, 3, 0]
    assert (found.weights > 0).all()


@pytest.mark.parametrize("part", ["bias", "own-class"])
def test_part_of_the_gradients_is_matched(part):
    shot = drawn_shot(N, 3, 4)
    error = residual(shot.logits, CODES)
    wide = np.column_stack([shot.feature, np.ones(N)])
    own = (error * np.eye(3)[CODES])[:, :, None] * wide[:, None]
    long = error if part == "bias" else own.reshape(N, -1)
    k = 2 if part == "bias" else 8
    found = match(seen_by(shot, CODES), k, gradient=part, ridge=0.0)
    left = np.linalg.norm(long.sum(0) - found.weights @ long[found.rows])
    assert found.facts["residual"] == pytest.approx(left / np.linalg.norm(long.sum(0)), abs=1e-6)


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


@pytest.mark.parametrize("settings", [{"ridge": -1.0}, {"tolerance": float("nan")}, {"batch": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="at least"):
        Gradmatch(**settings)
