"""influence: which rows cancel, against brute force, and how the parameters move."""

from itertools import combinations

import numpy as np
import pytest
from clouds import ignore
from snapshots import drawn_matrices, drawn_shot, seen_by, shot_of_logits, vectors, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.cancelling import cancelling, norm_of_sum
from coreset_cli.kernels.gradients import RankOne, last_layer, probabilities
from coreset_cli.kernels.influences import influences
from coreset_cli.methods.influence import Influence
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 80
CODES = np.random.default_rng(7).integers(0, 3, N)


def cancelled(matrices, m, seed=0):
    random = np.random.default_rng(seed)
    return cancelling(matrices, random.permutation(matrices.n)[:m], random, ignore)


def norm(matrices, rows):
    return np.linalg.norm(whole(matrices)[list(rows)].sum(0))


def test_hand_worked_case():
    for seed in range(5):
        assert cancelled(vectors([[3], [-3], [1], [5]]), 2, seed).tolist() == [0, 1]


@pytest.mark.parametrize("m", [2, 4, 7])
def test_small_sets_are_near_the_best(m):
    best, found, random = [], [], []
    for seed in range(5):
        matrices = drawn_matrices(10, 2, 2, seed)
        norms = [norm(matrices, rows) for rows in combinations(range(10), m)]
        best.append(min(norms))
        random.append(np.mean(norms))
        found.append(norm(matrices, cancelled(matrices, m, seed)))
        assert found[-1] >= best[-1] - 1e-9
    assert np.mean(found) < np.mean(best) + 0.15 * (np.mean(random) - np.mean(best))


def test_no_swap_of_one_improves_much():
    matrices = drawn_matrices(200, 3, 6)
    rows = cancelled(matrices, 120)
    start = np.random.default_rng(0).permutation(200)[:120]
    assert len(np.unique(rows)) == 120
    assert norm_of_sum(matrices, rows) == pytest.approx(norm(matrices, rows))
    assert norm(matrices, rows) < 0.3 * norm(matrices, start)


def test_matrices_of_nothing_leave_out_the_last():
    nothing = RankOne(left=np.zeros((9, 2)), right=np.ones((9, 3)))
    assert cancelled(nothing, 4).tolist() == [5, 6, 7, 8]


def test_influences_are_those_of_the_damped_factors():
    shot = drawn_shot(N, 3, 4)
    gradients = last_layer(shot, CODES, np.arange(N))
    p = probabilities(shot.logits)
    wide = np.column_stack([shot.feature, np.ones(N)]).astype(float)
    outputs = np.mean([np.diag(row) - np.outer(row, row) for row in p], axis=0)
    inputs = np.mean([np.outer(row, row) for row in wide], axis=0)
    outputs += 0.02 * np.trace(outputs) / 3 * np.eye(3)
    inputs += 0.02 * np.trace(inputs) / 5 * np.eye(5)
    expected = np.linalg.solve(np.kron(outputs, inputs), whole(gradients).T).T / N
    assert whole(influences(gradients, p, 0.02)) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_one_hot_probabilities_have_influences():
    gradients = RankOne(left=np.array([[1.0, -1], [-1, 1]]), right=np.eye(2))
    found = whole(influences(gradients, np.eye(2)[[0, 0]], 0.01))
    assert found == pytest.approx(whole(gradients) / (0.5 + 0.005) / 2)


def test_what_is_left_out_moves_the_network_less_than_random_rows():
    shot = drawn_shot(N, 3, 4)
    moves = whole(
        influences(last_layer(shot, CODES, np.arange(N)), probabilities(shot.logits), 0.01)
    )
    picks = choose(Influence(), seen_by(shot, CODES), 30, Rng(0))
    out = np.setdiff1d(np.arange(N), picks.rows)
    assert picks.facts["moved"] == pytest.approx(np.linalg.norm(moves[out].sum(0)), rel=1e-4)
    drawn = [np.random.default_rng(s).permutation(N)[:50] for s in range(30)]
    assert picks.facts["moved"] < 0.3 * min(np.linalg.norm(moves[rows].sum(0)) for rows in drawn)


def test_rows_come_by_id_and_the_seed_decides():
    ids = np.random.default_rng(8).permutation(N)
    shot = drawn_shot(N, 3, 4)
    found = [
        choose(Influence(), seen_by(shot, CODES, ids), 30, Rng(seed)).rows for seed in range(4)
    ]
    assert all((np.diff(ids[rows]) > 0).all() for rows in found)
    assert len({tuple(rows) for rows in found}) > 1
    back = np.argsort(ids)
    sorted_shot = shot_of_logits(shot.logits[back], shot.feature[back])
    again = choose(Influence(), seen_by(sorted_shot, CODES[back]), 30, Rng(2)).rows
    assert ids[found[2]].tolist() == again.tolist()


def test_all_rows_and_fitted_rows():
    shot = shot_of_logits(np.tile([900, 0], (6, 1)), np.ones((6, 2)))
    data = seen_by(shot, np.zeros(6), [9, 7, 5, 3, 1, 0])
    assert choose(Influence(), data, 6, Rng(0)).rows.tolist() == [5, 4, 3, 2, 1, 0]
    assert choose(Influence(), data, 2, Rng(0)).rows.tolist() == [5, 4]


def test_no_damping_is_refused():
    with pytest.raises(InvalidParameter, match="above 0"):
        Influence(damping=0.0)
