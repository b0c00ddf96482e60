"""lcmat-s: distances worked by hand and written out, and craig where c is 0."""

import numpy as np
import pytest
from snapshots import drawn_shot, seen_by, shot_of_logits, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.entries import Entries
from coreset_cli.kernels.gradients import curvature, last_layer
from coreset_cli.methods.craig import Craig
from coreset_cli.methods.lcmat_s import LcmatS
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 70
CODES = np.random.default_rng(10).integers(0, 3, N)
ALL = np.arange(N)


def pick(data, k, **settings):
    return choose(LcmatS(**settings), data, k, Rng(0))


def apart(values, order):
    return np.linalg.norm(values[:, None] - values[None], order, axis=2)


def best(distance, k):
    """Greedy facility location written out."""
    near, reached, picks = distance.max() - distance, np.zeros(len(distance)), []
    for _ in range(k):
        gains = np.maximum(near - reached[:, None], 0).sum(0)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        reached = np.maximum(reached, near[:, picks[-1]])
    return picks


def test_hand_worked_distances():
    shot = shot_of_logits(np.log([[0.5, 0.5], [0.9, 0.1]]), [[1], [1]])
    gradients = last_layer(shot, np.zeros(2, int), np.arange(2))
    entries = Entries.of(curvature(shot, np.arange(2)), 4)
    assert gradients.distances(np.array([0]))[0] == pytest.approx([0, 0.8], abs=1e-6)
    assert entries.distances(np.array([0]))[0] == pytest.approx([0, 0.64], abs=1e-6)
    found = pick(seen_by(shot, [0, 0]), 1)
    assert found.facts["distance"] == pytest.approx(0.8064 / 2, abs=1e-6)


@pytest.mark.parametrize("choice", ["hessian", "gradient-variance"])
@pytest.mark.parametrize("settings", [{"c": 0.3}, {"c_mode": "relative", "c_rel": 2.0}])
def test_picks_are_those_written_out(choice, settings):
    shot = drawn_shot(N, 3, 6)
    gradients = whole(last_layer(shot, CODES, ALL))
    second = whole(curvature(shot, ALL)) if choice == "hessian" else gradients**2
    most = np.argsort(-second.var(0), kind="stable")[:10]
    first, more = apart(gradients, 2), apart(second[:, most], 1)
    c = 0.3 if "c" in settings else 2 * first.sum() / more.sum()
    expected = best(first + c * more, 25)
    found = pick(seen_by(shot, CODES), 25, curvature=choice, coordinates=10, **settings)
    assert found.rows.tolist() == expected
    assert found.facts["c"] == pytest.approx(c)
    assert found.weights.sum() == N
    assert best(first, 25) != expected  # curvature counts


def test_without_curvature_it_is_craig():
    data = seen_by(drawn_shot(N, 3, 6), CODES)
    craig = choose(Craig(), data, 25, Rng(0))
    found = pick(data, 25, c=0.0)
    assert found.rows.tolist() == craig.rows.tolist()
    assert found.weights.tolist() == craig.weights.tolist()


@pytest.mark.parametrize("mode", ["raw", "relative"])
def test_fitted_rows_go_by_id(mode):
    shot = shot_of_logits(np.tile([900, 0], (6, 1)), np.ones((6, 2)))
    found = pick(seen_by(shot, np.zeros(6), [9, 7, 5, 3, 1, 0]), 3, c_mode=mode)
    assert found.rows.tolist() == [5, 4, 3]
    assert found.weights.tolist() == [4, 1, 1]


def test_one_row():
    found = pick(seen_by(drawn_shot(1, 3, 4), [1]), 1, c_mode="relative")
    assert (found.rows.tolist(), found.weights.tolist()) == ([0], [1])


@pytest.mark.parametrize("settings", [{"c": -1.0}, {"c_rel": -1.0}, {"coordinates": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="lcmat-s"):
        LcmatS(**settings)
