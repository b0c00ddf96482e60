import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from coreset_cli.kernels.grid import Cells, cells_of
from coreset_cli.kernels.pc_graph import pc_graph

HAND = np.array([(0, 0), (0.2, 0.2), (0.3, 0.1), (1, 1), (0.9, 0.6), (0.1, 0.9)])
clouds = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40).map(
    lambda rows: np.array(rows) / 30
)


def parts(m, edges):
    matrix = np.zeros((m, m))
    for one, other in edges:
        matrix[one, other] = 1
    return connected_components(matrix, directed=False)


def test_graph_worked_by_hand():
    cells = cells_of(HAND)
    found = pc_graph(cells)
    assert found.adjacent.tolist() == [[0, 2], [3, 4]]
    assert found.bridges.tolist() == [[2, 3], [0, 1]]
    away = cells.centroids[found.bridges[:, 0]] - cells.centroids[found.bridges[:, 1]]
    assert np.linalg.norm(away, axis=1) == pytest.approx([0.781025, 0.8])
    assert found.degrees.tolist() == [2, 1, 2, 2, 1]
    assert found.islands == 3


@settings(max_examples=80, deadline=None)
@given(clouds)
def test_every_bridge_is_the_shortest_link_of_the_sides_it_joins(square):
    cells = cells_of(square)
    m = len(cells)
    found = pc_graph(cells)
    expected = [
        [i, j]
        for i in range(m)
        for j in range(i + 1, m)
        if np.abs(cells.places[i] - cells.places[j]).sum() == 1
    ]
    assert found.adjacent.tolist() == expected
    edges = [*expected, *found.bridges.tolist()]
    assert parts(m, expected)[0] == found.islands == len(found.bridges) + 1
    assert parts(m, edges)[0] == 1
    assert found.degrees.tolist() == [sum(cell in edge for edge in edges) for cell in range(m)]
    length = np.linalg.norm(cells.centroids[:, None] - cells.centroids, axis=2)
    for bridge in found.bridges.tolist():
        count, side = parts(m, [edge for edge in edges if edge != bridge])
        assert count == 2
        assert length[tuple(bridge)] <= length[np.ix_(side == 0, side == 1)].min() + 1e-12


@settings(max_examples=60, deadline=None)
@given(clouds)
def test_bridges_are_as_short_as_a_spanning_tree_of_the_islands(square):
    cells = cells_of(square)
    found = pc_graph(cells)
    count, island = parts(len(cells), found.adjacent.tolist())
    length = np.linalg.norm(cells.centroids[:, None] - cells.centroids, axis=2)
    between = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            between[i, j] = length[np.ix_(island == i, island == j)].min()
    mine = length[found.bridges[:, 0], found.bridges[:, 1]].sum()
    assert mine == pytest.approx(minimum_spanning_tree(between).sum())


def test_of_equal_bridges_the_smaller_cells_are_joined():
    places = np.array([[0, 0], [0, 2], [2, 0], [2, 2]])
    cells = Cells(
        axis=3, codes=np.arange(4), places=places, sizes=np.ones(4, int), centroids=places / 3
    )
    assert pc_graph(cells).bridges.tolist() == [[0, 1], [0, 2], [1, 3]]


def test_one_cell_has_no_edge():
    found = pc_graph(cells_of(np.zeros((5, 2))))
    assert (found.degrees.tolist(), found.islands) == ([0], 1)
