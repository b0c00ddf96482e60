"""influence: which rows cancel, against brute force, and how the parameters move."""

import numpy as np
import pytest
from snapshots import drawn_shot, seen_by, shot_of_logits, whole

from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.gradients import last_layer, probabilities
from coreset_cli.kernels.influences import exact_influences, influences
from coreset_cli.methods.influence import Influence
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

N = 80
CODES = np.random.default_rng(7).integers(0, 3, N)


@pytest.mark.parametrize(
    ("hessian", "moved_by"), [("factors", influences), ("exact", exact_influences)]
)
def test_what_is_left_out_moves_the_network_less_than_random_rows(hessian, moved_by):
    shot = drawn_shot(N, 3, 4)
    moves = whole(moved_by(last_layer(shot, CODES, np.arange(N)), probabilities(shot.logits), 0.01))
    picks = choose(Influence(hessian=hessian), seen_by(shot, CODES), 30, Rng(0))
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
