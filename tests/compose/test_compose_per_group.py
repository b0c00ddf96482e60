from dataclasses import replace

import numpy as np
import pytest
import torch
from clouds import inputs_of, with_signals

from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.errors import MissingInput
from coreset_cli.kernels.risk import Risk
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.random import Random
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

HARD = 2
"""The direction whose rows are predicted badly."""


def corners(sizes, labels=None, ids=None):
    """Rows near the axes, so many at each; those of one have a small logit of their class."""
    axis = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.eye(len(sizes))[axis] + np.random.default_rng(0).normal(
        0, 0.01, (len(axis), len(sizes))
    )
    logits = np.stack([np.where(axis == HARD, -1.0, 4.0), np.zeros(len(axis))], 1)
    data = inputs_of(rows.astype(np.float32), labels, ids)
    return axis, with_signals(data, held_out=logits)


def quotas(picks, axis, count):
    return np.bincount(axis[picks.rows], minlength=count).tolist()


def test_groups_share_by_their_risk_worked_by_hand():
    """Masses 0.5·π + 0.5·q: the tail of a fifth of 40 rows is the hard group, of 8 rows."""
    axis, data = corners([16, 16, 8])
    selector = PerGroup(method=Random(), groups=3, risk=Risk(level=0.2, mix=0.5))
    picks = choose(selector, data, 10, Rng(0))
    assert quotas(picks, axis, 3) == [2, 2, 6]
    masses = [picks.facts[f"group {place}: mass"] for place in range(3)]
    assert masses == pytest.approx([0.2, 0.2, 0.6])
    assert [picks.facts[f"group {place}: quota"] for place in range(3)] == [2, 2, 6]
    assert [picks.facts[f"group {place}: rows"] for place in range(3)] == [16, 16, 8]
    easy, hard = np.log1p(np.exp(-4)), np.log1p(np.e)
    losses = [picks.facts[f"group {place}: loss"] for place in range(3)]
    assert losses == pytest.approx([easy, easy, hard])


def test_a_group_gives_no_more_rows_than_it_has():
    axis, data = corners([16, 16, 8])
    selector = PerGroup(method=Random(), groups=3, risk=Risk(level=0.2, mix=1.0))
    assert quotas(choose(selector, data, 8, Rng(0)), axis, 3) == [0, 0, 8]
    assert quotas(choose(selector, data, 12, Rng(0)), axis, 3) == [2, 2, 8]


def test_trimmed_losses_count_nothing():
    """A fifth of the rows is the hard group: without it the others share by their sizes."""
    axis, data = corners([16, 16, 8])
    selector = PerGroup(method=Random(), groups=3, risk=Risk(level=1.0, mix=0.5, trim=0.2))
    assert quotas(choose(selector, data, 10, Rng(0)), axis, 3) == [5, 5, 0]


@pytest.mark.parametrize("risk", [Risk(level=1.0, mix=0.7), Risk(level=0.2, mix=0.0)])
def test_without_a_tail_groups_keep_their_shares(risk):
    """As `PerClass` shares among the same groups, given as labels; and no loss is read."""
    axis, data = corners([13, 22, 5])
    selector = PerGroup(method=Herding(), groups=3, risk=risk)
    plain = choose(selector, replace(data, signals=None), 17, Rng(0))
    first = np.argsort([np.flatnonzero(axis == place)[0] for place in range(3)])
    labelled = inputs_of(
        data.points.rows(torch.arange(data.n)).numpy().astype(np.float32), first[axis]
    )
    classes = choose(PerClass(method=Herding()), labelled, 17, Rng(0))
    assert plain.rows.tolist() == classes.rows.tolist()


def test_one_group_a_class_is_the_class():
    """Of one group a class the tail is the hard class alone."""
    labels = np.repeat([0, 1, 2], [16, 16, 8])
    axis, data = corners([16, 16, 8], labels)
    plain = PerGroup(method=Gm(), groups=1, risk=Risk(mix=0.0))
    by_class = choose(PerClass(method=Gm()), data, 15, Rng(0)).rows
    assert choose(plain, data, 15, Rng(0)).rows.tolist() == by_class.tolist()
    tail = PerGroup(method=Gm(), groups=1, risk=Risk(level=0.2, mix=0.5))
    found = choose(tail, data, 10, Rng(0))
    assert quotas(found, axis, 3) == [2, 2, 6]
    assert found.facts["group 2/0: quota"] == 6


def test_groups_lie_inside_classes():
    """Alike rows of two classes are in two groups, and a class of one row is a group."""
    labels = [0, 1] * 20 + [7]
    data = with_signals(
        inputs_of(np.random.default_rng(0).normal(size=(41, 3)).astype(np.float32), labels),
        held_out=np.zeros((41, 10)),
    )
    selector = PerGroup(method=Random(), groups=4, risk=Risk())
    facts = choose(selector, data, 41, Rng(0)).facts
    sizes = {name: value for name, value in facts.items() if name.endswith("rows")}
    assert list(sizes) == [f"group {c}/{j}: rows" for c in (0, 1) for j in range(4)] + [
        "group 7/0: rows"
    ]
    for label in "01":
        assert sum(value for name, value in sizes.items() if f" {label}/" in name) == 20
    assert sum(facts[name] for name in facts if name.endswith("mass")) == pytest.approx(1)


def test_prefixes_and_order_of_rows_with_ids():
    ids = np.random.default_rng(1).permutation(41) * 3
    labels = np.arange(41) % 2
    rows = np.random.default_rng(0).normal(size=(41, 3)).astype(np.float32)
    logits = np.random.default_rng(2).normal(size=(41, 10)).astype(np.float32)
    selector = PerGroup(method=Herding(), groups=3, risk=Risk(level=0.3, trim=0.1))

    def picked(order, k):
        data = inputs_of(rows[order], labels[order], ids[order])
        targets = labels[order]
        data = with_signals(data, targets=targets, held_out=logits[order])
        return ids[order][choose(selector, data, k, Rng(0)).rows].tolist()

    whole = picked(np.arange(41), 41)
    for k in (1, 7, 20):
        assert picked(np.arange(41), k) == whole[:k]
    assert picked(np.random.default_rng(3).permutation(41), 20) == whole[:20]


def test_what_it_says_of_itself():
    plain = PerGroup(method=Herding(), groups=4, risk=Risk(mix=0.0))
    assert plain.exact
    assert plain.needs == {"embeddings"}
    tail = PerGroup(method=Random(), groups=4, risk=Risk(level=0.2, trim=0.25))
    assert not tail.exact
    assert tail.prefix
    assert not PerGroup(method=Gm(batches=2), groups=4, risk=Risk()).prefix
    assert tail.needs == {"embeddings", "held_out"}
    assert tail.balance == "cvar:groups=4,level=0.2,mix=0.5,trim=0.25"
    with pytest.raises(MissingInput):
        choose(tail, inputs_of(np.ones((4, 2), np.float32)), 2, Rng(0))


def test_a_loss_is_bounded():
    """A label that no training part had is as bad as a probability of 1e-6, not 10,000."""
    logits = np.zeros((8, 10))
    logits[0, 3] = -1e4
    data = with_signals(inputs_of(np.eye(8, dtype=np.float32)), targets=[3] * 8, held_out=logits)
    facts = choose(PerGroup(method=Random(), groups=1, risk=Risk()), data, 3, Rng(0)).facts
    assert facts["group 0: loss"] == pytest.approx((7 * np.log(10) - np.log(1e-6)) / 8)
