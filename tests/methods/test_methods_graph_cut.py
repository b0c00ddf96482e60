import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.graph_cut import GraphCut
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ROWS = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32) + 0.5


def pick(method, rows, k, seed=0, ids=None):
    return choose(method, inputs_of(rows, ids=ids), k, Rng(seed)).rows.tolist()


def half_cosines(rows):
    length = np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    unit = rows / np.where(length > 0, length, 1)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, length > 0)
    return (1 + cosines) / 2


def plain(s, k, weight):
    """The naive method of floating numbers."""
    picks, scores = [], []
    for _ in range(k):
        gains = weight * s.sum(0) - 2 * s[picks].sum(0) - s.diagonal()
        gains[picks] = -np.inf
        picks.append(int(gains.argmax()))
        scores.append(gains.max())
    return picks, scores


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 2.0, 50.0])
@pytest.mark.parametrize("optimizer", ["lazy", "naive"])
def test_equals_the_plain_method(weight, optimizer):
    found = choose(GraphCut(weight=weight, optimizer=optimizer), inputs_of(ROWS), 40, Rng(0))
    picks, scores = plain(half_cosines(ROWS), 40, weight)
    assert found.rows.tolist() == picks
    assert found.scores == pytest.approx(scores, abs=2e-3 * (1 + weight))


def test_rows_without_direction():
    rows = ROWS.copy()
    rows[[3, 30, 31]] = 0
    assert pick(GraphCut(), rows, 25) == plain(half_cosines(rows), 25, 1.0)[0]


def test_gains_of_a_heavy_weight_never_turn_negative():
    assert (choose(GraphCut(weight=2.0), inputs_of(ROWS), 70, Rng(0)).scores >= -1e-3).all()
    assert (choose(GraphCut(weight=0.5), inputs_of(ROWS), 70, Rng(0)).scores[-10:] < 0).all()


def test_stochastic_is_drawn_from_the_seed():
    method = GraphCut(optimizer="stochastic")
    assert len({tuple(pick(method, ROWS, 10, seed)) for seed in range(5)}) > 1
    assert not method.prefix


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_parameters_are_refused(weight):
    with pytest.raises(InvalidParameter, match="weight"):
        GraphCut(weight=weight)
    with pytest.raises(InvalidParameter, match="epsilon"):
        GraphCut(epsilon=0.0)


def test_equals_submodlib():
    submodlib = pytest.importorskip("submodlib")
    function = submodlib.GraphCutFunction(
        n=70, mode="dense", lambdaVal=0.4, ggsijs=half_cosines(ROWS), separate_rep=False
    )
    found = function.maximize(
        budget=30, optimizer="NaiveGreedy", stopIfNegativeGain=False, show_progress=False
    )
    assert pick(GraphCut(weight=2.5), ROWS, 30) == [row for row, _ in found]
