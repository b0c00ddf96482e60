import numpy as np
import pytest

from coreset_cli.kernels.grid import cells_of, unit_square
from coreset_cli.kernels.pc_graph import pc_graph
from coreset_cli.kernels.rounds import drawn, nearest, rounds

HAND = np.array([(0, 0), (0.2, 0.2), (0.3, 0.1), (1, 1), (0.9, 0.6), (0.1, 0.9)])
CLOUD = unit_square(np.random.default_rng(0).normal(size=(300, 2)), "minmax")


def visits_of(cells):
    return np.lexsort((-cells.sizes, -pc_graph(cells).degrees))


def words(n, seed):
    return np.random.default_rng(seed).integers(0, 1 << 64, n, np.uint64)


def test_rounds_worked_by_hand():
    cells = cells_of(HAND)
    visits = visits_of(cells)
    assert cells.places[visits].tolist() == [[0, 0], [1, 0], [3, 2], [0, 3], [3, 3]]
    assert rounds(cells, visits, nearest(HAND, cells)).tolist() == [0, 2, 4, 5, 3, 1]


def test_rounds_take_the_next_nearest_of_every_cell_in_turn():
    cells = cells_of(CLOUD)
    visits = visits_of(cells)
    queues = []
    for cell in visits:
        rows = np.flatnonzero(cells.codes == cell)
        away = ((CLOUD[rows] - CLOUD[rows].mean(0)) ** 2).sum(1)
        away = np.zeros(len(rows)) if len(rows) <= 2 else (away * cells.axis**2 * 1e9).round()
        queues.append(rows[np.argsort(away, kind="stable")].tolist())
    expected = []
    while any(queues):
        expected += [queue.pop(0) for queue in queues if queue]
    assert rounds(cells, visits, nearest(CLOUD, cells)).tolist() == expected


def test_two_rows_of_a_cell_are_as_near():
    cells = cells_of(CLOUD)
    keys = nearest(CLOUD, cells)
    few = cells.sizes[cells.codes] <= 2
    assert not keys[few].any()
    assert keys[~few].any()


def test_drawing_follows_the_weights():
    square = np.array([(0, 0.1), (0, 0.15), (0, 0.4)])  # one cell of three rows
    cells = cells_of(square / 2)
    assert len(cells) == 1
    away = ((square / 2 - cells.centroids[0]) ** 2).sum(1) * cells.axis**2
    weight = 0.05 + np.exp(-away / 0.02)
    first = np.zeros(3)
    for seed in range(4000):
        keys = drawn(square / 2, cells, words(3, seed), tau=0.02, epsilon=0.05)
        first[np.argmin(keys)] += 1
    assert first / 4000 == pytest.approx(weight / weight.sum(), abs=0.03)
    assert weight.max() / weight.min() > 2  # or nothing was tried


def test_drawing_takes_every_row_once_and_any_word():
    cells = cells_of(CLOUD)
    extremes = np.tile(np.array([0, (1 << 64) - 1], np.uint64), 150)
    keys = drawn(CLOUD, cells, extremes, tau=1.0, epsilon=1e-6)
    assert np.isfinite(keys).all()
    assert sorted(rounds(cells, visits_of(cells), keys)) == list(range(300))
