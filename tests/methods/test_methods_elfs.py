"""ELFS: the window by hand, and what decides the rank."""

import numpy as np
import pytest
from clouds import inputs_of, with_signals

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.elfs import Elfs
from coreset_cli.seeds import Rng

ORDER = np.array([6, 2, 9, 0, 4, 7, 1, 8, 3, 5])
"""Rows from the smallest margin to the largest."""


def data_of(n=10, order=ORDER, epochs=3):
    margins = np.empty((n, epochs))
    margins[order] = np.linspace(-1, 1, n)[:, None] + np.linspace(-0.5, 0.5, epochs)
    return with_signals(inputs_of(np.zeros((n, 1), np.float32)), margin_prob=margins)


def picked(k, **settings):
    return Elfs(**settings).select(data_of(), k, Rng(0))


def test_the_window_by_hand():
    assert picked(3, beta=0.2).rows.tolist() == ORDER[2:5].tolist()
    assert picked(3, beta=0.9).rows.tolist() == ORDER[7:].tolist()
    assert picked(10, beta=0.0).rows.tolist() == ORDER.tolist()
    assert picked(10, beta=0.7).rows.tolist() == ORDER.tolist()
    assert picked(1).rows.tolist() == [ORDER[3]]


def test_a_share_is_read_as_a_decimal():
    n = 100
    rows = Elfs(beta=0.07).select(data_of(n, np.arange(n)), 1, Rng(0)).rows
    assert rows.tolist() == [7]  # 0.07 · 100 is 7.000000000000001 in binary
    assert Elfs(beta=0.29).select(data_of(n, np.arange(n)), 1, Rng(0)).rows.tolist() == [29]


def test_scores_are_mean_margins_and_the_share_dropped_is_told():
    found = picked(3, beta=0.2)
    assert found.scores == pytest.approx(np.linspace(-1, 1, 10)[2:5], abs=1e-6)
    assert found.facts == {"dropped": 2.0}
    assert picked(9).facts == {"dropped": 1.0}


def test_all_epochs_count_alike():
    """Not the last epoch, nor the best: the sums are 0.3, 0.2 and 0.9."""
    margins = [[0.9, -0.8, 0.2], [-0.6, 0.0, 0.8], [0.3, 0.3, 0.3]]
    data = with_signals(inputs_of(np.zeros((3, 1), np.float32)), margin_prob=margins)
    assert Elfs(beta=0.0).select(data, 3, Rng(0)).rows.tolist() == [1, 0, 2]


def test_a_prefix_is_promised_only_where_nothing_is_dropped():
    assert Elfs(beta=0.0).prefix
    assert not Elfs().prefix


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"clusters": 1}, "clusters must be 2 or more"),
        ({"clusters": -1}, "clusters must be 2 or more"),
        ({"beta": 1.0}, "beta must be"),
        ({"beta": -0.1}, "beta must be"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"head_rate": 0.0}, "head_rate must be above 0"),
    ],
)
def test_impossible_settings(settings, said):
    with pytest.raises(InvalidParameter, match=said):
        Elfs(**settings)
