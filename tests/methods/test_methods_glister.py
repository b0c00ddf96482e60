"""glister: gains worked by hand, and rounds against gradients written out."""

import numpy as np
import pytest
import torch
from snapshots import drawn_shot, seen_by, shot_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.glister import Glister
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 60
CODES = np.random.default_rng(6).integers(0, 3, N)


def pick(data, k, **settings):
    return choose(Glister(**settings), data, k, Rng(0))


def test_hand_worked_gains():
    shot = shot_of([[1], [2], [-1]], np.zeros((2, 1)), np.zeros(2))
    found = pick(seen_by(shot, [0, 1, 0]), 3, rounds=1)
    assert found.rows.tolist() == [1, 2, 0]
    assert found.scores == pytest.approx([1 / 2, 1 / 2, -1 / 6])


def gradients_of(shot, logits=None):
    """[n, c·(d + 1)] by autograd, of these logits."""
    z = torch.from_numpy(shot.logits if logits is None else logits).double().requires_grad_()
    torch.nn.functional.cross_entropy(z, torch.from_numpy(CODES), reduction="sum").backward()
    wide = np.column_stack([shot.feature, np.ones(N)])
    return np.einsum("nc,nq->ncq", z.grad.numpy(), wide).reshape(N, -1), wide


def plain(shot, k, rounds, step):
    gradients, wide = gradients_of(shot)
    wanted, picks = gradients.mean(0), []
    for number in range(rounds):
        gains = gradients @ wanted
        gains[picks] = -np.inf
        count = (number + 1) * k // rounds - number * k // rounds
        picks += np.argsort(-gains, kind="stable")[:count].tolist()
        layer = gradients[picks].mean(0).reshape(-1, wide.shape[1])
        wanted = gradients_of(shot, shot.logits - step * wide @ layer.T)[0].mean(0)
    return picks


@pytest.mark.parametrize(("k", "rounds"), [(20, 15), (29, 15), (7, 7), (31, 4)])
@pytest.mark.parametrize("step", [0.1, 3.0])
def test_rounds_are_those_written_out(k, rounds, step):
    shot = drawn_shot(N, 3, 5)
    found = pick(seen_by(shot, CODES), k, rounds=rounds, step=step)
    assert found.rows.tolist() == plain(shot, k, rounds, step)


def test_fewer_picks_than_rounds_are_rounds_of_one():
    shot = drawn_shot(N, 3, 5)
    found = pick(seen_by(shot, CODES), 6, step=3.0)
    assert found.rows.tolist() == plain(shot, 6, 6, 3.0)


def test_without_a_step_it_ranks_once():
    shot = drawn_shot(N, 3, 5)
    gradients, _ = gradients_of(shot)
    expected = np.argsort(-(gradients @ gradients.mean(0)), kind="stable")[:25]
    assert pick(seen_by(shot, CODES), 25, step=0.0).rows.tolist() == expected.tolist()


def test_steps_change_picks():
    data = seen_by(drawn_shot(N, 3, 5), CODES)
    assert pick(data, 30, step=3.0).rows.tolist() != pick(data, 30, step=0.0).rows.tolist()


def test_equal_rows_go_by_id():
    shot = shot_of(np.full((40, 3), 0.1), np.ones((2, 3)), np.zeros(2))
    data = seen_by(shot, np.ones(40), np.arange(40)[::-1])
    assert pick(data, 8).rows.tolist() == list(range(39, 31, -1))


@pytest.mark.parametrize("settings", [{"step": -0.1}, {"rounds": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="at least"):
        Glister(**settings)
