"""prune4rel: vectors of the data, confidence of the network."""

from dataclasses import replace

import numpy as np
import pytest
from clouds import points_of
from snapshots import seen_by, shot_of_logits

from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.methods.prune4rel import Prune4Rel
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ANGLE = np.arccos(2 * 0.98 - 1)
THREE = [[1, 0], [np.cos(ANGLE), np.sin(ANGLE)], [0, -5]]
LOGITS = np.log([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])


def data_of(logits):
    data = seen_by(shot_of_logits(logits, np.ones((3, 1))), [0, 1, 0])
    return replace(data, points=points_of(THREE))


def test_hand_worked_case():
    found = choose(Prune4Rel(), data_of(LOGITS), 3, Rng(0))
    assert found.rows.tolist() == [0, 2, 1]
    assert found.scores == pytest.approx([0.7163, 0.4621, 0.2257], abs=5e-5)
    alone = choose(Prune4Rel(threshold=1.0), data_of(LOGITS), 3, Rng(0))
    assert alone.rows.tolist() == [0, 1, 2]


def test_what_is_not_finite_is_refused():
    with pytest.raises(NotFinite, match="1 of 3 rows"):
        choose(Prune4Rel(), data_of([[0, 0], [np.nan, 0], [0, 0]]), 2, Rng(0))


@pytest.mark.parametrize("settings", [{"threshold": 1.5}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InvalidParameter, match="prune4rel"):
        Prune4Rel(**settings)
