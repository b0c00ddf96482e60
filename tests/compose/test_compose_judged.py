"""A selector with the judge of all rows; what they are is made up, so each is seen to be asked."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from clouds import inputs_of

from coreset_cli.compose.judged import Judged, inside_classes
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import MissingInput
from coreset_cli.methods.easy import Easy
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.random import Random
from coreset_cli.methods.topk import Topk
from coreset_cli.methods.trust import Trust
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, choose, needs

ROWS = np.float32([[3], [1], [2], [9], [7], [8]])
LABELS = np.array([0, 0, 0, 1, 1, 1])


@dataclass(frozen=True)
class BySum:
    """The value of a row, and how many rows were judged together."""

    needs: ClassVar = needs("embeddings")
    exact: ClassVar = True
    keep: ClassVar = "high"

    def score(self, data, rng):
        return data.embeddings.rows(torch.arange(data.n))[:, 0].numpy() + 1000 * data.n

    def cost(self, n, k):
        return Cost(reads=2.0, passes=3.0, grids=0.5, kept=7, state=100, per_class=5)


def picks_of(selector, k=4):
    return choose(selector, inputs_of(ROWS, LABELS), k, Rng(0))


def test_the_judge_sees_all_rows_and_the_selector_its_class():
    whole = picks_of(Judged(method=Topk(), judge=BySum()))
    assert whole.rows.tolist() == [3, 5, 4, 0]
    inside = picks_of(Judged(method=PerClass(method=Topk()), judge=BySum()))
    assert sorted(inside.rows.tolist()) == [0, 2, 3, 5]
    assert (inside.scores > 6000).all()  # of six rows, not of the three of a class


def test_what_both_declare():
    judged = Judged(method=Topk(), judge=BySum())
    assert judged.needs == needs("embeddings")
    assert judged.exact
    assert judged.prefix
    assert not Judged(method=Topk(), judge=Trust()).exact
    assert not Judged(method=PerClass(method=Topk(), least=1), judge=BySum()).prefix
    with pytest.raises(MissingInput):
        choose(Judged(method=PerClass(method=Topk()), judge=BySum()), inputs_of(ROWS), 2, Rng(0))


def test_the_cost_is_of_one_after_the_other():
    cost = Judged(method=Herding(), judge=BySum()).cost(100, 10)
    then = Herding().cost(100, 10)
    assert cost.reads == 2 + then.reads
    assert cost.passes == 3 + then.passes
    assert cost.grids == then.grids
    assert (cost.kept, cost.per_class) == (7, 5)
    assert cost.state == 100 + Judged.held


def test_what_runs_inside_every_class():
    inside = PerClass(method=Random())
    assert inside_classes(inside) is inside
    assert inside_classes(Judged(method=inside, judge=BySum())) is inside
    assert inside_classes(Judged(method=Topk(), judge=BySum())) is None
    assert inside_classes(ByScore(method=Easy())) is None
