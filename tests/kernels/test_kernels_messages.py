import numpy as np
import pytest

from coreset_cli.kernels.messages import gathered, graph_of, scale_free, spread_picks


def links(near, lengths=None):
    near = np.array(near, np.int64)
    return graph_of(near, np.ones(near.shape) if lengths is None else np.array(lengths, float))


def neighbours_of(graph, place):
    return graph.others[graph.starts[place] : graph.starts[place + 1]].tolist()


def test_either_end_makes_an_edge_and_both_make_one():
    graph = links([[1], [0], [1], [0]], [[1], [1], [2], [3]])
    assert [neighbours_of(graph, place) for place in range(4)] == [[1, 3], [0, 2], [1], [0]]
    assert graph.distances.tolist() == [1, 3, 1, 2, 2, 3]


def test_nobody_has_neighbours():
    graph = graph_of(np.empty((1, 0), np.int64), np.empty((1, 0)))
    assert gathered(np.array([2.0]), graph, 1.0).tolist() == [2]
    places, values = spread_picks(np.array([2.0]), graph, 1.0, 1)
    assert (places.tolist(), values.tolist()) == ([0], [2])


def test_three_places_worked_by_hand():
    """At 0, 1, 10 with scores 1, 2, 1: u = 1 + 2/e, 2 + 1/e + e⁻⁹, 1 + 2e⁻⁹; then by score 1, 0, 2.

    The pick of 1 takes 0.871 of 0, so 2 comes before it.
    """
    graph = links([[1], [0], [1]], [[1], [1], [9]])
    values = gathered(np.array([1.0, 2, 1]), graph, 1.0)
    assert values == pytest.approx([1.735759, 2.368003, 1.000247], abs=1e-6)
    places, left = spread_picks(values, graph, 1.0, 3)
    assert places.tolist() == [1, 2, 0]
    assert left[0] == values[1]
    assert left[1] == pytest.approx(1.000247 - np.exp(-9) * 2.368003, abs=1e-6)
    assert left[2] == pytest.approx(1.735759 - 2.368003 / np.e, abs=1e-6)


def test_what_is_below_zero_raises_nobody():
    """0 leaves its twin 1 at −1; were −1 passed on, 2 would rise from −5 to −4."""
    graph = links([[1], [2], [1]], [[0], [0], [0]])
    assert spread_picks(np.array([3.0, 2, -5]), graph, 1.0, 3)[1].tolist() == [3, -1, -5]


def by_brute_force(values, near, lengths, gamma, k):
    """The loop of the paper, over all edges, with the argmax of all values at every pick."""
    n, edges = len(values), {}
    for i, some in enumerate(near):
        for j, length in zip(some, lengths[i], strict=True):
            edges[i, j] = edges[j, i] = length
    now, picks = values.copy(), []
    for _ in range(k):
        left = [i for i in range(n) if i not in picks]
        best = max(left, key=lambda i: (now[i], -i))
        picks.append(best)
        for (i, j), length in edges.items():
            if i == best:
                now[j] -= np.exp(-gamma * length) * max(now[best], 0)
    return picks


@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_heap_finds_what_brute_force_finds(seed, gamma):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 6, (40, 2)).astype(float)  # many ties, copies too
    scores = rng.integers(0, 4, 40).astype(float)
    lengths = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.fill_diagonal(lengths, np.inf)
    near = np.argsort(lengths, axis=1, kind="stable")[:, :3]
    lengths = np.take_along_axis(lengths, near, 1)
    graph = graph_of(near, lengths)
    values = gathered(scores, graph, gamma)
    expected = scores.copy()
    for i in range(40):
        for j in set(near[i].tolist()) | {j for j in range(40) if i in near[j]}:
            length = np.linalg.norm(rows[i] - rows[j])
            expected[i] += np.exp(-gamma * length) * scores[j]
    assert values == pytest.approx(expected)
    picks = spread_picks(values, graph, gamma, 40)[0].tolist()
    assert picks == by_brute_force(values, near.tolist(), lengths.tolist(), gamma, 40)


def test_scale_free_distances():
    assert scale_free(np.array([[1.0, 2], [4, 8]])).tolist() == [[1 / 3, 2 / 3], [4 / 3, 8 / 3]]
    assert scale_free(np.array([[0.0, 0, 0, 3, 1]])).tolist() == [[0, 0, 0, 1.5, 0.5]]
    assert scale_free(np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert scale_free(np.empty((1, 0))).shape == (1, 0)
