"""craig: greedy written out on gradients written out."""

import numpy as np
import pytest
from snapshots import drawn_shot, seen_by, shot_of_logits, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import last_layer, residual
from coreset_cli.methods.craig import Craig
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 90
CODES = np.random.default_rng(9).integers(0, 3, N)


def pick(data, k, **settings):
    return choose(Craig(**settings), data, k, Rng(0))


def plain(apart, k):
    """Greedy facility location, and how many rows each pick serves."""
    near, reached, picks = apart.max() - apart, np.zeros(len(apart)), []
    for _ in range(k):
        gains = np.maximum(near - reached[:, None], 0).sum(0)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        reached = np.maximum(reached, near[:, picks[-1]])
    owner = apart[:, picks].argmin(1)
    owner[picks] = np.arange(k)
    return picks, np.bincount(owner, minlength=k)


@pytest.mark.parametrize("k", [1, 7, 40, N])
@pytest.mark.parametrize("optimizer", ["lazy", "naive"])
def test_picks_and_weights_are_those_written_out(k, optimizer):
    shot = drawn_shot(N, 3, 6)
    long = whole(last_layer(shot, CODES, np.arange(N)))
    apart = np.linalg.norm(long[:, None] - long[None], axis=2)
    rows, sizes = plain(apart, k)
    found = pick(seen_by(shot, CODES), k, optimizer=optimizer)
    assert found.rows.tolist() == rows
    assert found.weights.tolist() == sizes.tolist()
    assert found.facts["distance"] == pytest.approx(apart[:, rows].min(1).mean(), abs=1e-6)


def written_out(shot, codes, part):
    """[n, …] the part of each gradient that counts."""
    wide = np.column_stack([shot.feature, np.ones(N)])
    error = residual(shot.logits, codes)
    own = np.eye(3)[codes]
    return {
        "layer": np.einsum("nc,nq->ncq", error, wide).reshape(N, -1),
        "bias": error,
        "own-class": np.einsum("nc,nq->ncq", error * own, wide).reshape(N, -1),
    }[part]


@pytest.mark.parametrize("part", ["layer", "bias", "own-class"])
@pytest.mark.parametrize(("batch", "k"), [(1, 12), (8, 24), (8, 29), (100, 50)])
def test_parts_of_gradients_and_batches_are_those_written_out(part, batch, k):
    """90 rows are 11 batches of 8 and one of 2; rows of a batch come with its weight."""
    shot = drawn_shot(N, 3, 6)
    long = written_out(shot, CODES, part)
    starts = range(0, N, batch)
    means = np.stack([long[start : start + batch].mean(0) for start in starts])
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)
    found = pick(seen_by(shot, CODES), k, gradient=part, batch=batch)
    for count in range(1, len(means) + 1):
        picks, sizes = plain(apart, count)
        members = [np.arange(N)[batch * one : batch * (one + 1)] for one in picks]
        rows = np.concatenate(members)
        if len(rows) >= k:
            break
    weights = np.repeat(sizes, [len(one) for one in members]).astype(float)
    taken = len(members[-1]) - (len(rows) - k)
    weights[-len(members[-1]) :] *= len(members[-1]) / taken
    assert found.rows.tolist() == rows[:k].tolist()
    assert found.weights == pytest.approx(weights[:k])


def test_a_short_batch_among_the_picks_is_made_up_for():
    """Five rows in batches of 2 for 4: errors .5, 1, .95, so the short one is first, then .5."""
    logits = [[0, 0], [0, 0], [9, 0], [9, 0], [3, 0]]
    data = seen_by(shot_of_logits(logits, np.ones((5, 1))), np.ones(5))
    found = pick(data, 4, batch=2)
    assert found.rows.tolist() == [4, 0, 1, 2]
    assert found.weights.tolist() == [1, 1, 1, 2]


def test_the_weighted_sum_is_within_its_bound():
    shot = drawn_shot(N, 3, 6)
    long = whole(last_layer(shot, CODES, np.arange(N)))
    found = pick(seen_by(shot, CODES), 12)
    error = np.linalg.norm(long.sum(0) - found.weights @ long[found.rows])
    assert error <= N * found.facts["distance"] + 1e-6


def test_twice_every_row_is_twice_every_weight():
    shot = drawn_shot(N, 3, 6)
    one = pick(seen_by(shot, CODES), 15)
    twice = shot_of_logits(shot.logits.repeat(2, 0), shot.feature.repeat(2, 0))
    two = pick(seen_by(twice, CODES.repeat(2)), 15)
    assert two.rows.tolist() == (2 * one.rows).tolist()
    assert two.weights.tolist() == (2 * one.weights).tolist()


def test_fitted_rows_go_by_id():
    shot = shot_of_logits(np.tile([900, 0], (6, 1)), np.ones((6, 2)))
    found = pick(seen_by(shot, np.zeros(6), [9, 7, 5, 3, 1, 0]), 3)
    assert found.rows.tolist() == [5, 4, 3]
    assert found.weights.tolist() == [4, 1, 1]


def test_stochastic_follows_the_seed():
    data = seen_by(drawn_shot(N, 3, 6), CODES)
    method = Craig(optimizer="stochastic")
    found = [choose(method, data, 10, Rng(seed)).rows.tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("settings", [{"epsilon": 1.0}, {"neighbours": -1}, {"batch": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="craig"):
        Craig(**settings)
