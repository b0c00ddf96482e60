from dataclasses import dataclass

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.compose.keep import ByScore
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
