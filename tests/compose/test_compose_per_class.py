import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.methods.easy import Easy
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.moderate import Moderate
from coreset_cli.methods.random import Random
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, choose


def rows_of(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def mixed(*sizes):
    labels = np.repeat(np.arange(len(sizes)) * 10, sizes)
    return np.random.default_rng(1).permutation(labels)


def pick(method, data, k):
    return choose(method, data, k, Rng(0))


@pytest.mark.parametrize(
    ("balance", "sizes", "k", "turns"),
    [
        ("proportional", (50, 30, 20), 7, [0, 1, 2, 0, 0, 1, 0]),
        ("equal", (3, 3, 3), 4, [0, 1, 2, 0]),
        ("equal", (5, 1, 10), 9, [0, 1, 2, 0, 2, 0, 2, 0, 2]),
    ],
)
def test_classes_take_turns(balance, sizes, k, turns):
    labels = mixed(*sizes)
    found = pick(
        PerClass(method=Random(), balance=balance), inputs_of(rows_of(len(labels)), labels), k
    )
    assert (labels[found.rows] // 10).tolist() == turns


@pytest.mark.parametrize("balance", ["proportional", "equal"])
@pytest.mark.parametrize("method", [Herding(match="l2"), Gm(), Moderate()])
def test_each_class_is_a_pool_of_its_own(balance, method):
    labels, rows = mixed(20, 11, 6), rows_of(37)
    found = pick(PerClass(method=method, balance=balance), inputs_of(rows, labels), 21).rows
    for group in np.unique(labels):
        members = np.flatnonzero(labels == group)
        mine = found[labels[found] == group]
        inside = pick(method, inputs_of(rows[members], ids=members), len(mine)).rows
        assert mine.tolist() == members[inside].tolist()


def test_classes_of_ties_go_by_value_of_the_label():
    found = pick(
        PerClass(method=Random(), balance="equal"), inputs_of(rows_of(6), [9, 9, 10, 10, -1, -1]), 3
    )
    assert np.array([9, 9, 10, 10, -1, -1])[found.rows].tolist() == [-1, 9, 10]


def test_at_least_one_of_every_class():
    labels = mixed(900, 90, 10)
    data = inputs_of(rows_of(1000), labels)
    plain = pick(PerClass(method=Random()), data, 10).rows
    raised = PerClass(method=Random(), least=1)
    assert np.bincount(labels[plain] // 10, minlength=3).tolist() == [9, 1, 0]
    assert np.bincount(labels[pick(raised, data, 10).rows] // 10).tolist() == [8, 1, 1]
    assert not raised.prefix


def test_at_least_under_equal_balance_keeps_the_turns():
    labels = mixed(9, 2, 9)
    found = pick(
        PerClass(method=Random(), balance="equal", least=2), inputs_of(rows_of(20), labels), 8
    )
    assert (labels[found.rows] // 10).tolist() == [0, 1, 2, 0, 1, 2, 0, 2]


def test_a_minimum_that_cannot_be_met_is_told():
    data = inputs_of(rows_of(30), mixed(10, 10, 10))
    found = pick(PerClass(method=Random(), least=5), data, 9)
    assert "--min-per-class is not met" in found.notes[0]
    assert "5 for each of 3 classes" in found.notes[0]


def test_scores_stay_beside_their_rows():
    labels, rows = mixed(9, 6), rows_of(15)
    found = pick(PerClass(method=ByScore(method=Easy())), inputs_of(rows, labels), 10)
    for row, score in zip(found.rows, found.scores, strict=True):
        centre = rows[labels == labels[row]].astype(float).mean(0)
        assert score == pytest.approx(np.linalg.norm(rows[row] - centre))


def test_progress_runs_through_all_classes_once():
    told = []
    data = inputs_of(rows_of(30), mixed(15, 10, 5))
    watched = Inputs(
        key=data.key,
        points=data.points,
        classes=data.classes,
        progress=lambda done, total: told.append((done, total)),
    )
    pick(PerClass(method=Herding()), watched, 12)
    assert told == [(done, 12) for done in range(1, 13)]


def test_notes_of_classes_are_said_once():
    half = rows_of(10)
    rows = np.vstack([half, -half, half, -half])
    found = pick(PerClass(method=Gm(match="cosine")), inputs_of(rows, np.repeat([0, 1], 20)), 6)
    assert len(found.notes) == 1


def test_declares_what_is_inside_and_labels():
    assert PerClass(method=Random()).needs == {"labels"}
    assert PerClass(method=Gm()).needs == {"labels", "embeddings"}
    assert PerClass(method=Gm()).prefix
    assert not PerClass(method=Gm(batches=2)).prefix
    assert PerClass(method=Random()).exact
    assert PerClass(method=Gm()).exact


def test_facts_are_those_of_the_class_that_went_worst():
    data = inputs_of(rows_of(42), mixed(12, 30))
    whole = choose(PerClass(method=Herding()), data, 12, Rng(0))
    apart = []
    for group in range(2):
        rows = np.flatnonzero(data.labels.codes == group)
        quota = int(np.isin(whole.rows, rows).sum())
        apart.append(choose(Herding(), data.subset(rows, data.progress), quota, Rng(0)))
    assert whole.facts == {"residual": max(picks.facts["residual"] for picks in apart)}
