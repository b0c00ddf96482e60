from dataclasses import dataclass

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.compose.keep import TIED, ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.methods.easy import Easy
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Score, choose


@dataclass(frozen=True, kw_only=True)
class Given:
    """A score that is the first value of each row."""

    keep: str
    needs = frozenset({"embeddings"})
    exact = False

    def score(self, data, rng):
        return np.concatenate([b[:, 0].numpy().copy() for _, b in data.embeddings.blocks()])

    def cost(self, n, k):
        return Cost(reads=1.0)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("low", [2, 0, 3, 1]), ("high", [1, 3, 0, 2]), ("middle", [0, 3, 2, 1])],
)
def test_the_end_that_is_kept(keep, expected):
    data = inputs_of([[0.2], [0.9], [0.1], [0.3]])
    found = choose(ByScore(method=Given(keep=keep)), data, 4, Rng(0))
    assert found.rows.tolist() == expected
    assert found.scores.tolist() == pytest.approx(np.array([0.2, 0.9, 0.1, 0.3])[expected])


def test_declares_what_the_score_does():
    assert ByScore(method=Easy(scope="global")).needs == {"embeddings", "labels"}
    assert ByScore(method=Easy()).prefix
    assert isinstance(Given(keep="low"), Score)


@pytest.mark.parametrize(
    ("keep", "zeros", "k", "tied"),
    [
        ("low", 11, 5, 11),
        ("low", 10, 5, 0),  # ten are not many
        ("low", 11, 11, 0),  # all of them are kept
        ("low", 30, 31, 0),  # the cut is beyond them
        ("high", 11, 95, 11),
        ("middle", 60, 20, 60),
        ("middle", 11, 20, 0),
    ],
)
def test_many_rows_at_the_cut_are_told_of(keep, zeros, k, tied):
    values = np.arange(100.0)[:, None]
    values[:zeros] = 0
    found = choose(ByScore(method=Given(keep=keep)), inputs_of(values), k, Rng(0))
    assert found.notes == ((TIED,) if tied else ())
    assert found.facts == ({"tied": tied} if tied else {})


def test_a_hundredth_of_the_picks_is_not_many():
    values = np.zeros((2000, 1))
    values[19:] = np.arange(1, 1982)[:, None]
    assert not choose(ByScore(method=Given(keep="high")), inputs_of(values), 1990, Rng(0)).notes
    values[19] = 0
    assert choose(ByScore(method=Given(keep="high")), inputs_of(values), 1990, Rng(0)).notes


def test_scores_equal_in_single_precision_are_ties():
    values = 1 + 1e-12 * np.arange(40.0)[:, None]
    found = choose(ByScore(method=Given(keep="high")), inputs_of(values), 20, Rng(0))
    assert found.rows.tolist() == list(range(20))
    assert found.facts == {"tied": 40}


def test_classes_tell_of_it_once():
    values, labels = np.zeros((90, 1)), np.arange(90) % 3 // 2
    picks = choose(
        PerClass(method=ByScore(method=Given(keep="low"))), inputs_of(values, labels), 30, Rng(0)
    )
    assert picks.notes == (TIED,)
    assert picks.facts == {"tied": 60}
