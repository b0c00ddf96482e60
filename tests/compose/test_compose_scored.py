"""A selector with the score it reads; the expected scores are made by the caller."""

from dataclasses import replace

import numpy as np
import pytest
from clouds import inputs_of, with_signals

from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.scored import Scored, difficulties
from coreset_cli.errors import MissingInput, NotFinite
from coreset_cli.methods.aum import Aum
from coreset_cli.methods.d2 import D2
from coreset_cli.methods.forgetting import Forgetting
from coreset_cli.methods.hard import Hard
from coreset_cli.methods.random import Random
from coreset_cli.methods.topk import Topk
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose, needs

ROWS = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
LABELS = np.arange(30) % 2
BY_DISTANCE = Scored(method=Topk(), score=ByScore(method=Hard()), hard="high")


def rows_of(selector, data, k=10):
    return choose(selector, data, k, Rng(0)).rows.tolist()


def test_the_score_reaches_the_selector():
    data = inputs_of(ROWS)
    assert rows_of(BY_DISTANCE, data) == rows_of(ByScore(method=Hard()), data)


def test_inside_a_class_the_score_is_that_of_the_class():
    data = inputs_of(ROWS + 5 * LABELS[:, None], LABELS)
    hard = PerClass(method=ByScore(method=Hard()))
    assert rows_of(PerClass(method=BY_DISTANCE), data) == rows_of(hard, data)
    assert rows_of(PerClass(method=BY_DISTANCE), data) != rows_of(BY_DISTANCE, data)


def test_the_low_end_is_turned_over():
    margin = np.array([[3.0], [-1], [0.5], [2]])
    data = with_signals(inputs_of(np.zeros((4, 1))), margin=margin)
    scored = Scored(method=Topk(), score=ByScore(method=Aum()), hard="low")
    found = choose(scored, data, 4, Rng(0))
    assert found.rows.tolist() == [1, 2, 3, 0]
    assert found.scores.tolist() == [4, 2.5, 1, 0]


def test_never_right_counts_as_every_epoch():
    """1 is never right in 4 epochs, 0 is forgotten once, 2 never."""
    right = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    p_true = np.full((3, 4), 0.5)
    data = with_signals(
        inputs_of(np.zeros((3, 1))), correct=right, margin=np.zeros((3, 4)), p_true=p_true
    )
    scored = Scored(method=Topk(), score=Forgetting(), hard="high")
    found = choose(scored, data, 3, Rng(0))
    assert (found.rows.tolist(), found.scores.tolist()) == ([1, 0, 2], [4, 1, 0])


def test_what_both_declare():
    scored = Scored(method=D2(), score=ByScore(method=Aum()), hard="low")
    assert scored.needs == needs("embeddings", "dynamics")
    assert (scored.exact, BY_DISTANCE.exact) == (False, True)
    assert scored.prefix
    assert not replace(scored, method=D2(beta=0.1)).prefix
    both, first, then = scored.cost(900, 9), Aum().cost(900, 900), D2().cost(900, 9)
    assert both.passes == first.passes + then.passes
    assert both.state > max(first.state, then.state)
    with pytest.raises(MissingInput):
        rows_of(scored, inputs_of(ROWS))


def test_difficulties_grow_with_the_hard_end():
    scores = np.array([1.0, -2, 5])
    assert difficulties(scores, "high") is scores
    assert difficulties(scores, "low").tolist() == [4, 7, 0]
    for wrong in (1e301, np.inf, np.nan):
        with pytest.raises(NotFinite, match="scale the scores"):
            difficulties(np.array([0, wrong]), "high")


def test_a_selector_that_reads_no_score_may_stand_there_too():
    assert Scored(method=Random(), score=Topk(), hard="low").needs == needs("given")
