import numpy as np
from clouds import inputs_of
from scipy.stats import special_ortho_group

from coreset_cli.methods.k_center import KCenter
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)


def pick(method, rows, k, seed=0):
    return choose(method, inputs_of(rows), k, Rng(seed)).rows.tolist()


def test_starts_at_the_row_nearest_to_the_mean():
    assert pick(KCenter(), [[0], [1], [2], [3], [10]], 5) == [3, 4, 0, 1, 2]  # mean 3.2
    assert pick(KCenter(), np.float32([[1, 0], [3, 0], [9, 9], [-1, 0], [-3, 0], [-9, -9]]), 1) == [
        0
    ]


def test_the_score_is_the_radius():
    found = choose(KCenter(), inputs_of([[0], [1], [2], [3], [10]]), 5, Rng(0))
    assert found.scores.tolist() == [np.inf, 7, 3, 1, 1]


def test_random_start_is_drawn_from_the_seed():
    firsts = {pick(KCenter(first="random"), ROWS, 1, seed)[0] for seed in range(20)}
    assert len(firsts) > 5


def test_does_not_see_rotation_shift_or_scale():
    rotation = special_ortho_group.rvs(3, random_state=0)
    moved = (4 * ROWS @ rotation + 2).astype(np.float32)
    assert pick(KCenter(), moved, 20) == pick(KCenter(), ROWS, 20)


def test_cosine_sees_directions_alone():
    lengths = np.random.default_rng(1).uniform(0.1, 10, size=(60, 1))
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    stretched = (lengths * unit).astype(np.float32)
    assert pick(KCenter(metric="cosine"), stretched, 20) == pick(KCenter(), unit, 20)
    assert pick(KCenter(), stretched, 20) != pick(KCenter(), unit, 20)


def test_outliers_come_first():
    rows = ROWS.copy()
    rows[[5, 17, 33]] *= 100
    assert set(pick(KCenter(), rows, 4)[1:]) == {5, 17, 33}


def test_rows_of_one_direction_are_all_equal_to_cosine():
    rows = np.outer([1, 3, 7, 5, 11, 13], [1, 1, 1]).astype(np.float32)
    assert pick(KCenter(metric="cosine"), rows, 6) == list(range(6))
