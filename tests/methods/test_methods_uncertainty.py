"""Scores of out-of-fold predictions: cases worked by hand, and NumPy."""

import numpy as np
import pytest
from clouds import ignore, inputs_of, points_of, with_signals

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.kernels.divergence import Predictions
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.neighbours import nearest_rows
from coreset_cli.kernels.ranking import ranked
from coreset_cli.methods.cal import Cal
from coreset_cli.methods.contextual_diversity import ContextualDiversity
from coreset_cli.methods.deepfool import Deepfool
from coreset_cli.methods.entropy import Entropy
from coreset_cli.methods.least_confidence import LeastConfidence
from coreset_cli.methods.margin import Margin
from coreset_cli.seeds import Rng

RNG = Rng(0)
SCORES = [LeastConfidence(), Entropy(), Margin()]


def logits_of(p):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.float32(p)), -1e4).astype(np.float32)


def held_out(logits, rows=None):
    rows = [[i] for i in range(len(logits))] if rows is None else rows
    return with_signals(inputs_of(rows), held_out=logits)


def data_of(p, rows=None):
    return held_out(logits_of(p), rows)


@pytest.mark.parametrize("method", SCORES)
def test_the_case_of_the_document(method):
    data = data_of([(0.5, 0.5), (0.9, 0.1), (0.6, 0.4)])
    scores = method.score(data, RNG)
    assert ranked(scores, data.key.rank, method.keep).tolist() == [0, 2, 1]
    assert method.score(held_out(data.held_out + 3), RNG) == pytest.approx(scores, rel=1e-5)


def test_scores_are_their_definitions():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 200)
    data = data_of(p)
    largest = -np.sort(-p)
    assert LeastConfidence().score(data, RNG) == pytest.approx(1 - p.max(1), rel=1e-5)
    assert Entropy().score(data, RNG) == pytest.approx(-(p * np.log(p)).sum(1), rel=1e-5)
    assert Margin().score(data, RNG) == pytest.approx(1 - largest[:, 0] + largest[:, 1], rel=1e-5)


@pytest.mark.parametrize("method", SCORES)
def test_sure_rows_do_not_tie(method):
    data = held_out([[60, 0], [50, 0], [70, 0]])
    assert np.argsort(method.score(data, RNG)).tolist() == [2, 0, 1]


@pytest.mark.parametrize("method", SCORES)
def test_one_class_has_nothing_unsure(method):
    assert method.score(held_out([[3], [4]]), RNG).tolist() == [0, 0]


def deepfool(logits, weight, by="held_out"):
    logits, weight = np.float32(logits), np.float32(weight)
    shot = Snapshot(
        epoch=1,
        logits=logits,
        feature=np.zeros((len(logits), weight.shape[1]), np.float32),
        weight=weight,
        bias=np.zeros(len(weight), np.float32),
    )
    rows = inputs_of(np.zeros((len(logits), 1), np.float32))
    return Deepfool(by=by).score(with_signals(rows, shot=shot, held_out=logits), RNG)


@pytest.mark.parametrize("by", ["held_out", "last"])
def test_deepfool_of_the_document(by):
    found = deepfool([(3, 1), (1, 0.9)], np.eye(2), by)
    assert found == pytest.approx([np.sqrt(2), 0.0707107], rel=1e-5)


def test_deepfool_is_the_nearest_of_all_boundaries():
    rng = np.random.default_rng(0)
    weight, h = rng.normal(size=(4, 3)), rng.normal(size=(50, 3))
    f = h @ weight.T
    for row, found in enumerate(deepfool(f, weight)):
        top = f[row].argmax()
        others = [c for c in range(4) if c != top]
        apart = [
            (f[row, top] - f[row, c]) / np.linalg.norm(weight[top] - weight[c]) for c in others
        ]
        assert found == pytest.approx(min(apart), rel=1e-4)


def test_deepfool_without_a_boundary_is_infinite():
    assert deepfool([(3, 1)], [[1, 1], [1, 1]]).tolist() == [np.inf]


def jeffreys(p, q):
    return 0.5 * ((p - q) * (np.log(p) - np.log(q))).sum()


def test_divergence_of_the_document():
    pair = Predictions.of(logits_of([(0.5, 0.5), (0.9, 0.1)]))
    assert pair.jeffreys(pair.take(np.array([1]))) == pytest.approx([0.439445, 0], abs=1e-6)
    found = pair.between(np.array([0]), np.array([1]), "jeffreys")
    assert found == pytest.approx([0.439445], abs=1e-6)
    kl = pair.between(np.array([0]), np.array([1]), "kl")  # of the other from the row
    assert kl == pytest.approx([0.9 * np.log(1.8) + 0.1 * np.log(0.2)], rel=1e-5)


def test_probabilities_of_0_have_finite_divergences():
    sure = Predictions.of(np.float32([[1e4, 0], [0, 1e4]]))
    assert np.isfinite(sure.jeffreys(sure.take(np.array([0])))).all()


def test_contextual_diversity_is_farthest_first():
    p = np.random.default_rng(3).dirichlet(np.ones(3), 40)
    apart = np.array([[jeffreys(a, b) for b in p] for a in p])
    mean = p.mean(0)
    picks = [int(np.argmin([jeffreys(a, mean) for a in p]))]
    while len(picks) < 12:
        picks.append(int(apart[:, picks].min(1).argmax()))
    found = ContextualDiversity().select(data_of(p), 12, RNG)
    assert found.rows.tolist() == picks
    radii = [apart[row, picks[:i]].min() for i, row in enumerate(picks) if i]
    assert found.scores[1:] == pytest.approx(radii, rel=1e-4)


def test_cal_of_the_document():
    data = data_of([(0.9, 0.1), (0.9, 0.1), (0.5, 0.5)], [[0], [1], [1.5]])
    scores = Cal(neighbours=1).score(data, RNG)
    assert scores == pytest.approx([0, 0.439445, 0.439445], abs=1e-6)
    assert ranked(scores, data.key.rank, "high")[:2].tolist() == [1, 2]


def test_cal_is_the_mean_over_the_nearest():
    rng = np.random.default_rng(0)
    rows, p = rng.normal(size=(60, 3)).astype(np.float32), rng.dirichlet(np.ones(4), 60)
    far = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1)[:, :10]
    expected = [np.mean([jeffreys(p[i], p[j]) for j in near[i]]) for i in range(60)]
    assert Cal().score(data_of(p, rows), RNG) == pytest.approx(expected, rel=1e-4)


def test_cal_of_few_rows():
    assert Cal().score(data_of([(0.5, 0.5)], [[1]]), RNG).tolist() == [0]
    assert len(Cal().score(data_of([(0.5, 0.5), (0.9, 0.1)], [[1], [2]]), RNG)) == 2


@pytest.mark.parametrize("others", [3, 7, 1000])
def test_neighbours_are_the_nearest_and_of_equals_the_smaller_ids(others, monkeypatch):
    monkeypatch.setattr("coreset_cli.kernels.neighbours.OTHERS", others)
    monkeypatch.setattr("coreset_cli.kernels.neighbours.BLOCK_ROWS", 5)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, (40, 2)).astype(np.float32)  # copies and many ties
    ids = rng.permutation(40)
    found = nearest_rows(fixed(points_of(rows, ids)), 6, ignore)
    for row in range(40):
        far = ((rows - rows[row]) ** 2).sum(1)
        far[row] = np.inf
        assert found[row].tolist() == np.lexsort((ids, far))[:6].tolist()
