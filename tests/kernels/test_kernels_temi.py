"""TEMI: its loss against loops, its clusters on blobs, and what must not change them."""

import math

import numpy as np
import pytest
import torch
from clouds import ignore, points_of
from scipy.special import erf

from coreset_cli.errors import NotFinite
from coreset_cli.kernels import temi
from coreset_cli.kernels.temi import Temi, agreement_loss, pair_weights
from coreset_cli.seeds import Rng

HEADS, PAIRS, CLUSTERS = 3, 4, 5
RNG = np.random.default_rng(0)


def probabilities(*shape):
    values = RNG.random(shape) + 0.01
    return values / values.sum(-1, keepdims=True)


def test_the_loss_is_that_of_a_loop_over_pairs():
    q_s, q_t = probabilities(PAIRS, CLUSTERS), probabilities(PAIRS, CLUSTERS)
    prior, weights = probabilities(CLUSTERS), RNG.random(PAIRS)
    expected = 0.0
    for i in range(PAIRS):
        inside = sum((q_s[i, c] * q_t[i, c]) ** 0.6 / prior[c] for c in range(CLUSTERS))
        expected -= weights[i] * math.log(inside) / PAIRS
    found = agreement_loss(*map(torch.tensor, (np.log(q_s), np.log(q_t), prior, weights)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_a_pair_weighs_what_teachers_agree_on():
    q = probabilities(HEADS, 2 * PAIRS, CLUSTERS)
    expected = [
        sum(q[h, i, c] * q[h, PAIRS + i, c] for h in range(HEADS) for c in range(CLUSTERS)) / HEADS
        for i in range(PAIRS)
    ]
    assert pair_weights(torch.tensor(np.log(q))).numpy() == pytest.approx(expected, rel=1e-12)


def log_q(head, rows):
    """Logarithms of a head's probabilities, by hand; its weights are `first`, `second`, `last`."""
    (w1, b1), (w2, b2), (w3, b3) = head
    hidden = rows @ w1.T + b1
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    hidden = hidden @ w2.T + b2
    hidden /= np.linalg.norm(hidden, axis=1, keepdims=True)
    logits = (hidden @ w3.T + b3) / 0.1
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def test_a_step_is_that_of_the_definition():
    """The first step: losses of each head over both directions, then teachers move by 0.004."""
    rows = RNG.normal(size=(6, 3)).astype(np.float32)
    pairs = np.array([[0, 1], [2, 5], [4, 3]])
    generator = torch.Generator().manual_seed(0)
    students = torch.nn.ModuleList(temi._Head(3, CLUSTERS, generator) for _ in range(HEADS))
    for values in students.parameters():
        torch.nn.init.normal_(values, std=0.5, generator=generator)
    before = [value.detach().clone().numpy() for value in students.parameters()]
    heads = [
        [tuple(before[6 * h + 2 * i : 6 * h + 2 * i + 2]) for i in range(3)] for h in range(HEADS)
    ]
    q = np.stack([log_q(head, rows.astype(np.float64)) for head in heads])
    both = np.concatenate([pairs[:, 0], pairs[:, 1]])
    weights = np.exp(q[:, pairs[:, 0]] + q[:, pairs[:, 1]]).sum(2).mean(0)
    losses = np.zeros(HEADS)
    for h in range(HEADS):
        prior = 0.9 / CLUSTERS + 0.1 * np.exp(q[h, both]).mean(0)
        for one, other in (pairs.T, pairs.T[::-1]):
            inside = (np.exp(0.6 * (q[h, one] + q[h, other])) / prior).sum(1)
            losses[h] -= (weights * np.log(inside)).mean() / 2

    trained = temi._Trained(students, CLUSTERS, rate=1e-2, moved=0.004)
    trained.step(torch.from_numpy(rows), torch.from_numpy(pairs), 1e-2)
    assert trained.losses.numpy() == pytest.approx(losses, rel=1e-4)
    after = [value.detach().numpy() for value in students.parameters()]
    means = [value.numpy() for value in trained.teachers.parameters()]
    for old, new, mean in zip(before, after, means, strict=True):
        assert np.abs(new - old).max() > 0.005  # AdamW's first step is its rate
        assert mean == pytest.approx(0.996 * old + 0.004 * new, abs=1e-6)
    trained.losses.copy_(torch.tensor([3.0, 1.0, 2.0]))
    second = [tuple(means[6 + 2 * i : 8 + 2 * i]) for i in range(3)]
    assert trained.codes(torch.from_numpy(rows)).tolist() == log_q(second, rows).argmax(1).tolist()


def blobs(n=160, d=6):
    rng = np.random.default_rng(1)
    labels = np.arange(n) % 4
    return (4 * np.eye(4, d)[labels] + rng.normal(size=(n, d)) / 2).astype(np.float32), labels


SMALL = Temi(neighbours=8, heads=2, epochs=15, batch=20, rate=1e-3)


def codes_of(rows, ids=None, seed=0, by=SMALL):
    return by.codes(points_of(rows, ids), 4, Rng(seed), ignore)


def test_far_blobs_are_the_clusters():
    rows, labels = blobs()
    table = np.zeros((4, 4), int)
    np.add.at(table, (codes_of(rows), labels), 1)
    assert (table > 0).sum() == 4
    assert (table.max(0) == 40).all()


def test_the_order_of_rows_and_their_scale_change_nothing():
    rows, _ = blobs(60)
    order = np.random.default_rng(2).permutation(60)
    by = Temi(neighbours=5, heads=2, epochs=2, batch=16, rate=1e-3)
    found = codes_of(rows, by=by)
    assert codes_of(rows[order], order, by=by).tolist() == found[order].tolist()
    assert codes_of(1024 * rows, by=by).tolist() == found.tolist()


def test_equal_rows_and_pairs():
    by = Temi(neighbours=50, heads=1, epochs=1, batch=7, rate=1e-3)
    assert len(codes_of(np.ones((20, 3), np.float32), by=by)) == 20
    assert len(set(by.codes(points_of([[0.0], [1.0]]), 2, Rng(0), ignore)) - {0, 1}) == 0


def test_a_training_that_diverges_is_told():
    by = Temi(neighbours=5, heads=1, epochs=3, batch=16, rate=1e37)
    with pytest.raises(NotFinite, match="head_rate"):
        codes_of(blobs(40)[0], by=by)


def test_progress_reaches_its_end():
    told = []
    by = Temi(neighbours=3, heads=1, epochs=2, batch=16, rate=1e-3)
    by.codes(points_of(blobs(20)[0]), 4, Rng(0), lambda done, total: told.append((done, total)))
    assert told == [(20, 60), (40, 60), (60, 60)]


def test_memory_grows_with_heads_by_their_weights_alone():
    few, many = (
        Temi(neighbours=50, heads=h, epochs=1, batch=256, rate=1e-3).memory(10_000, 512, 10)
        for h in (1, 11)
    )
    weights = 512 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 10
    assert many - few == pytest.approx(10 * 20 * weights, rel=0.02)
