import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from coreset_cli.errors import InvalidParameter
from coreset_cli.io.digest import hash_integers
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key
from coreset_cli.training import linear
from coreset_cli.training.folds import stratified_folds
from coreset_cli.training.linear import fit_linear, fit_scaling, predict
from coreset_cli.training.recipe import LinearRecipe, find_recipe
from coreset_cli.training.softmax import Parts, Softmax, minimise


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads that wait for each other on a busy machine cost more than they give."""
    with threadpool_limits(1, user_api="blas"):
        yield


COSTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def key_of(n, first=0):
    numbers = np.arange(first, first + n, dtype=np.int64)
    return Key(numbers, hash_integers(numbers))


def classes_of(n, d, c, seed, spread=1.0):
    draw = np.random.default_rng(seed)
    codes = np.arange(n) % c
    rows = (
        draw.normal(size=(n, d)) * np.geomspace(3, 0.1, d)
        + spread * draw.normal(size=(c, d))[codes]
    )
    return rows, codes


def sklearn_probabilities(rows, codes, weights, cost, c, wanted):
    """Softmax regression by scikit-learn; its two-class case is binary, at twice the C."""
    present = np.unique(codes)
    found = np.zeros((len(wanted), c))
    if len(present) == 1:
        found[:, present] = 1.0
        return found
    doubled = 2 * cost if len(present) == 2 else cost
    model = LogisticRegression(C=doubled, tol=1e-7, max_iter=20_000)
    model.fit(rows, codes, sample_weight=weights)
    found[:, present] = model.predict_proba(wanted)
    return found


def brute_cost(rows, codes, c, key, weights=None):
    """The rule of the design, one scikit-learn fit a fold and a C."""
    weights = np.ones(len(rows)) if weights is None else weights / weights.mean()
    fold = stratified_folds(codes, key, 4)
    losses = []
    for cost in COSTS:
        loss = 0.0
        for f in range(4):
            train, held = fold != f, np.flatnonzero(fold == f)
            p = sklearn_probabilities(
                rows[train], codes[train], weights[train], cost, c, rows[held]
            )
            lacking = np.setdiff1d(codes, codes[train])
            p[:, lacking] = 1e-6
            p /= p.sum(1, keepdims=True)
            loss -= (weights[held] * np.log(p[np.arange(len(held)), codes[held]])).sum()
        losses.append(loss)
    return COSTS[int(np.argmin(losses))]


@pytest.mark.parametrize(("n", "d", "c"), [(120, 8, 3), (40, 60, 3), (90, 5, 2), (30, 30, 4)])
@pytest.mark.parametrize("weighted", [False, True])
def test_probabilities_are_those_of_scikit_learn_at_the_cost_of_a_brute_search(n, d, c, weighted):
    rows, codes = classes_of(n, d, c, seed=n)
    weights = np.random.default_rng(1).uniform(0.1, 3.0, n) if weighted else None
    model = fit_linear(rows, codes, c, key=key_of(n), weights=weights, recipe=LinearRecipe())
    assert model.cost == brute_cost(rows, codes, c, key_of(n), weights)
    assert model.converged
    probes = np.random.default_rng(2).normal(size=(50, d)) * 2
    mean_one = np.ones(n) if weights is None else weights / weights.mean()
    expected = sklearn_probabilities(rows, codes, mean_one, model.cost, c, probes)
    np.testing.assert_allclose(model.probabilities(probes), expected, atol=3e-4)


@pytest.mark.parametrize("cost", COSTS)
def test_every_cost_converges_to_the_minimum_of_scikit_learn(cost):
    rows, codes = classes_of(80, 20, 3, seed=5)
    recipe = LinearRecipe(costs=(cost,))
    model = fit_linear(rows, codes, 3, key=key_of(80), recipe=recipe)
    expected = sklearn_probabilities(rows, codes, np.ones(80), cost, 3, rows)
    np.testing.assert_allclose(model.probabilities(rows), expected, atol=3e-4)


def test_cost_follows_the_noise_and_the_number_of_rows():
    rows, codes = classes_of(300, 10, 3, seed=0, spread=3.0)
    clean = fit_linear(rows, codes, 3, key=key_of(300), recipe=LinearRecipe()).cost
    wrong = np.random.default_rng(0).permutation(codes)
    noisy = fit_linear(rows, wrong, 3, key=key_of(300), recipe=LinearRecipe()).cost
    assert noisy < clean


def test_order_of_the_rows_changes_nothing():
    rows, codes = classes_of(60, 7, 3, seed=3)
    order = np.random.default_rng(0).permutation(60)
    key = key_of(60)
    one = fit_linear(rows, codes, 3, key=key, recipe=LinearRecipe())
    two = fit_linear(rows[order], codes[order], 3, key=key.take(order), recipe=LinearRecipe())
    assert one.cost == two.cost
    np.testing.assert_allclose(one.probabilities(rows), two.probabilities(rows), atol=1e-4)


def test_folds_are_stratified_and_spread_small_classes():
    codes = np.array([0] * 41 + [1] * 8 + [2] * 3 + [3])
    fold = stratified_folds(codes, key_of(len(codes)), 4)
    for code, size in enumerate([41, 8, 3, 1]):
        counts = np.bincount(fold[codes == code], minlength=4)
        assert counts.max() - counts.min() <= 1
        assert (counts > 0).sum() == min(size, 4)
    totals = np.bincount(fold, minlength=4)
    assert totals.max() - totals.min() <= 1


def test_folds_follow_the_ids():
    codes = np.arange(40) % 3
    order = np.random.default_rng(0).permutation(40)
    whole = stratified_folds(codes, key_of(40), 4)
    moved = stratified_folds(codes[order], key_of(40).take(order), 4)
    assert (moved == whole[order]).all()


def test_class_of_one_row_is_lost_from_one_fold_and_still_learned():
    rows, codes = classes_of(41, 4, 2, seed=8, spread=4.0)
    codes[40], rows[40] = 2, 30.0
    model = fit_linear(rows, codes, 3, key=key_of(41), recipe=LinearRecipe())
    assert model.cost == brute_cost(rows, codes, 3, key_of(41))
    assert model.probabilities(rows[40:]).argmax() == 2


def test_row_of_a_class_that_its_fold_lacks_costs_a_millionth():
    rows, codes = classes_of(9, 2, 2, seed=2)
    codes[8] = 2
    fold = np.arange(9) % 4
    trains = fold[:, None] != np.arange(4)
    parts = Parts(rows, (rows**2).sum(0), codes, trains.astype(float), 3)
    model = minimise(parts, 0.1, Softmax.zero(parts))
    expected = 0.0
    for f in range(4):
        train, held = fold != f, np.flatnonzero(fold == f)
        p = sklearn_probabilities(
            rows[train], codes[train], np.ones(train.sum()), 0.1, 3, rows[held]
        )
        p[:, np.setdiff1d(codes, codes[train])] = 1e-6
        p /= p.sum(1, keepdims=True)
        expected -= np.log(p[np.arange(len(held)), codes[held]]).sum()
    found = linear._held_out_loss(parts, model, ~trains, np.ones(9), 1e-6)
    assert found == pytest.approx(expected, rel=1e-4)


def test_fewer_than_four_rows_take_the_fixed_cost():
    rows = np.array([[1.0, 0.0], [-1.0, 0.5], [0.3, 2.0]])
    model = fit_linear(rows, np.array([0, 1, 2]), 3, key=key_of(3), recipe=LinearRecipe())
    assert model.cost == 1e-2
    expected = sklearn_probabilities(rows, np.array([0, 1, 2]), np.ones(3), 1e-2, 3, rows)
    np.testing.assert_allclose(model.probabilities(rows), expected, atol=1e-4)


def test_one_class_is_predicted_always():
    rows = np.random.default_rng(0).normal(size=(9, 3))
    model = fit_linear(rows, np.full(9, 2), 4, key=key_of(9), recipe=LinearRecipe())
    assert (model.probabilities(rows * 100)[:, 2] == 1).all()


def test_class_without_a_row_is_never_predicted():
    rows, codes = classes_of(40, 3, 2, seed=1)
    model = fit_linear(rows, codes * 2, 3, key=key_of(40), recipe=LinearRecipe())
    assert (model.probabilities(rows)[:, 1] == 0).all()


def test_folds_one_after_another_are_the_folds_together(monkeypatch):
    rows, codes = classes_of(70, 6, 3, seed=4)
    whole = fit_linear(rows, codes, 3, key=key_of(70), recipe=LinearRecipe())
    monkeypatch.setattr(linear, "TOGETHER_BYTES", 0)
    parts = fit_linear(rows, codes, 3, key=key_of(70), recipe=LinearRecipe())
    assert parts.cost == whole.cost
    np.testing.assert_allclose(parts.probabilities(rows), whole.probabilities(rows), atol=1e-12)


def test_scaling_is_that_of_scikit_learn_and_keeps_constants():
    rows = np.random.default_rng(0).normal(3, 2, size=(500, 6)).astype(np.float32)
    rows[:, 2] = 0.1
    scaling = fit_scaling(Points(Matrix([Shard("rows", rows)]), key_of(500), torch.device("cpu")))
    expected = StandardScaler().fit(rows.astype(np.float64))
    np.testing.assert_allclose(scaling.centre, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaling.spread, expected.scale_, rtol=1e-12)
    assert scaling.spread[2] == 1.0
    np.testing.assert_allclose(scaling.apply(rows)[:, 2], 0.0, atol=1e-12)


def test_prediction_reads_the_file_block_by_block(monkeypatch):
    rows, codes = classes_of(100, 4, 3, seed=6)
    matrix = Matrix([Shard("a", rows[:30]), Shard("b", rows[30:])])
    scaling = fit_scaling(Points(matrix, key_of(100)))
    model = fit_linear(scaling.apply(rows), codes, 3, key=key_of(100), recipe=LinearRecipe())
    monkeypatch.setattr(Matrix, "block_rows", 7)
    expected = model.probabilities(scaling.apply(rows)).argmax(1)
    assert (predict(model, matrix, scaling) == expected).all()


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InvalidParameter, match="did you mean linear"):
        find_recipe("liner")
