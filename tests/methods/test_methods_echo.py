import json
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from clouds import inputs_of, points_of
from grids import held
from hypothesis import given, settings
from hypothesis import strategies as st
from memos import Found, Kept
from scipy.sparse.csgraph import minimum_spanning_tree

from coreset_cli.compose.per_class import PerClass
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.distance_map import distance_map
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.projection import plane_of
from coreset_cli.methods.echo import Echo
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

CLOUD = (np.random.default_rng(0).normal(size=(400, 6)) * [5, 3, 1, 1, 1, 1]).astype(np.float32)


def pick(rows, k, seed=0, **parameters):
    return choose(Echo(**parameters), inputs_of(np.float32(rows)), k, Rng(seed))


def queues_of(rows):
    """Rows of each cell, nearest to its centroid first, the cells as they are visited.

    Cells are the keys of a dictionary; the graph is by SciPy, the directions by LAPACK.
    """
    values = held(points_of(rows))
    values = values - values.mean(0)
    directions = np.linalg.svd(values, full_matrices=False)[2][:2]
    directions *= np.sign(directions[[0, 1], np.abs(directions).argmax(1)])[:, None]
    plane = values @ directions.T
    square = (plane - plane.min(0)) / np.ptp(plane, axis=0)
    axis = math.ceil(2 * math.log(1 + len(rows)))
    cells = {}
    for row, at in enumerate(np.minimum(axis - 1, (axis * square).astype(int)).tolist()):
        cells.setdefault(tuple(at), []).append(row)
    places = sorted(cells)
    middle = np.array([square[cells[place]].mean(0) for place in places])
    length = np.linalg.norm(middle[:, None] - middle, axis=2)
    beside = np.abs(np.array(places)[:, None] - places).sum(2) == 1
    tree = minimum_spanning_tree(np.where(beside, 1e-3, 1 + length)).toarray() > 0
    degree = (beside | tree | tree.T).sum(1)
    queues = []
    for j in sorted(range(len(places)), key=lambda j: (-degree[j], -len(cells[places[j]]), j)):
        mine = np.array(cells[places[j]])
        away = ((square[mine] - middle[j]) ** 2).sum(1) * (len(mine) > 2)
        queues.append(mine[np.argsort(away, kind="stable")].tolist())
    return queues


@pytest.mark.parametrize("n", [12, 60, 400])
def test_picks_are_those_of_numpy(n):
    queues = queues_of(CLOUD[:n])
    rounds = range(max(map(len, queues)))
    expected = [queue[turn] for turn in rounds for queue in queues if turn < len(queue)]
    assert pick(CLOUD[:n], n).rows.tolist() == expected


whole_rows = st.lists(
    st.lists(st.integers(-20, 20), min_size=3, max_size=3), min_size=1, max_size=30
)


@settings(max_examples=20, deadline=None)
@given(whole_rows, st.sampled_from([0.25, 2.0, 1024.0]), st.sampled_from([-64.0, 1.0, 300.0]))
def test_size_and_place_change_nothing(rows, size, place):
    rows = np.float32(rows)
    expected = pick(rows, len(rows)).rows.tolist()
    assert sorted(expected) == list(range(len(rows)))
    assert pick(rows * size, len(rows)).rows.tolist() == expected
    assert pick(rows + place, len(rows)).rows.tolist() == expected


@settings(max_examples=20, deadline=None)
@given(whole_rows, st.integers(1, 2), st.booleans(), st.integers(1, 30), st.sampled_from([0, 1, 2]))
def test_sizes_of_core_and_support(rows, s, counted, k, scale):
    k = min(k, len(rows))
    scale = ["minmax", "quantile", "rank"][scale]
    found = pick(rows, k, support=s, count_support=counted, scale=scale)
    plain = pick(rows, len(rows), scale=scale).rows.tolist()
    core = found.rows[~found.support].tolist()
    assert len(set(found.rows.tolist())) == len(found.rows)
    if counted:
        first = -(-k // (1 + s))
        assert len(found.rows) == k
        assert found.rows[:first].tolist() == plain[:first]
        assert not found.support[:first].any()
    else:
        assert core == plain[:k]
        assert found.facts["augmented"] <= s * found.facts["cells"]
        assert found.support.sum() <= found.facts["augmented"]
    assert found.facts["bridges"] == found.facts["components"] - 1


def test_support_rows_are_the_farthest_of_their_cell():
    values = held(points_of(CLOUD))
    core = pick(CLOUD, 20).rows.tolist()
    expected = []
    for queue in queues_of(CLOUD):
        mine = np.sort(queue)
        away = np.linalg.norm(values[mine] - values[mine].mean(0), axis=1) * (len(mine) > 2)
        expected += mine[np.argsort(-away, kind="stable")[:2]].tolist()
    beside = [row for row in expected if row not in core]
    found = pick(CLOUD, 20, support=2, count_support=False)
    assert found.rows.tolist() == [*core, *beside]
    assert found.facts["augmented"] == len(expected)
    counted = pick(CLOUD, 60, support=2)
    assert counted.rows.tolist() == [*core, *beside[:40]]
    assert counted.support.tolist() == [False] * 20 + [True] * 40


def test_classes_bring_their_support_rows_after_the_rows_that_are_counted():
    labels = np.arange(400) % 3
    data = inputs_of(CLOUD, labels)
    method = Echo(support=2, count_support=False)
    kept = Kept()
    found = choose(PerClass(method=method), replace(data, memo=kept), 9, Rng(0))
    plain = choose(PerClass(method=Echo()), data, 9, Rng(0))
    assert found.rows[:9].tolist() == plain.rows.tolist()
    assert not found.support[:9].any()
    assert found.support[9:].all()
    assert len(found.rows) > 100
    for group in range(3):
        mine = np.flatnonzero(labels == group)
        alone = choose(method, inputs_of(CLOUD[mine], ids=mine), 3, Rng(0))
        here = found.rows[9:][labels[found.rows[9:]] == group]
        assert here.tolist() == mine[alone.rows[3:]].tolist()
    again = choose(PerClass(method=method), replace(data, memo=Found(kept.states[1][0])), 9, Rng(0))
    assert again.rows.tolist() == found.rows.tolist()
    assert again.support.tolist() == found.support.tolist()


@pytest.mark.parametrize("projection", ["pca", "svd"])
def test_rows_that_say_little(projection):
    assert pick(np.full((9, 4), 0.1), 9, projection=projection).rows.tolist() == list(range(9))
    assert pick([[3]], 1, projection=projection).rows.tolist() == [0]
    assert sorted(pick([[1, 2], [5, 1]], 2, projection=projection).rows.tolist()) == [0, 1]
    line = np.outer(np.arange(20), [1, 2, -1, 0, 3])
    assert pick(line, 20, projection=projection).facts["components"] >= 1
    assert sorted(pick(np.repeat(CLOUD[:5], 4, axis=0), 20).rows.tolist()) == list(range(20))


def test_drawing_follows_the_seed_and_the_ids():
    drawn = pick(CLOUD, 400, mode="sample").rows.tolist()
    assert drawn == pick(CLOUD, 400, mode="sample").rows.tolist()
    assert drawn != pick(CLOUD, 400, seed=1, mode="sample").rows.tolist()
    nearest = pick(CLOUD, 50).rows
    sharp = pick(CLOUD, 50, mode="sample", tau=1e-4, epsilon=1e-300).rows
    flat = pick(CLOUD, 50, mode="sample", tau=1e4).rows
    assert (nearest == sharp).mean() > 0.6 > 0.5 > (nearest == flat).mean()


def relative(rows):
    found = np.linalg.norm(rows[:, None] - rows, axis=2)
    return found / found.max()


def test_a_network_keeps_best_what_it_is_trained_for():
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    rows /= rows.std(0)
    told = []
    points = points_of(rows)
    by_means, by_pairs = (
        relative(rows)
        - relative(distance_map(points, matched, Rng(0), lambda done, total: told.append(done)))
        for matched in ("means", "pairs")
    )
    plain = relative(rows) - relative(plane_of(fixed(points), centred=True))
    means = [(change.mean(1) ** 2).mean() for change in (by_means, by_pairs, plain)]
    pairs = [(change**2).mean() for change in (by_pairs, by_means, plain)]
    assert means[0] < means[1] < means[2]
    assert pairs[0] < pairs[1] < pairs[2]
    assert told == 2 * list(range(1, 41))


@pytest.mark.parametrize("rows", [np.ones((5, 3)), [[2.0, 1.0]], np.arange(513)[:, None] * 1e20])
def test_a_network_of_rows_that_say_little(rows):
    picks = pick(rows, len(rows), projection="mlp").rows
    assert sorted(picks.tolist()) == list(range(len(rows)))


@pytest.mark.parametrize(
    ("name", "value"), [("tau", 0.0), ("epsilon", math.inf), ("support", 3), ("support", -1)]
)
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(InvalidParameter, match=f"echo: {name}"):
        Echo(**{name: value})


def test_exactness_and_prefixes_depend_on_the_settings():
    assert Echo().exact
    assert not Echo(projection="mlp").exact
    assert not Echo(support=1).prefix


def test_roles_reach_the_file_and_all_who_read_it(tmp_path, run_cli):
    np.save(tmp_path / "a.npy", CLOUD)
    np.save(tmp_path / "labels.npy", np.arange(400) % 2)
    data, out = tmp_path / "a.npy", tmp_path / "sel.parquet"
    told = ("-m", "echo", "--set", "support=2", "--label", tmp_path / "labels.npy", data)
    made = run_cli("select", "-k", 30, *told, "-o", out)
    assert made.code == 0, made.err
    table = pq.read_table(out)
    assert table["role"].to_pylist().count("core") == 10
    assert table["role"].to_pylist().count("support") == 20
    manifest = json.loads(table.schema.metadata[b"coreset"])
    assert (manifest["facts"]["core"], manifest["facts"]["support"]) == (10, 20)
    assert run_cli("info", out, "--strict").code == 0
    assert run_cli("take", out, data, "-o", tmp_path / "rows.parquet").code == 0
    assert pq.read_table(tmp_path / "rows.parquet")["role"].to_pylist().count("support") == 20


def test_support_rows_that_are_not_counted_come_beside(tmp_path, run_cli):
    np.save(tmp_path / "a.npy", CLOUD)
    settings = ("--set", "support=2", "--set", "count_support=false")
    out = tmp_path / "sel.parquet"
    made = run_cli("select", "-m", "echo", "-k", 9, *settings, tmp_path / "a.npy", "-o", out)
    assert "support rows come beside the 9 rows asked for" in made.err
    table = pq.read_table(out)
    assert table["role"].to_pylist() == ["core"] * 9 + ["support"] * (len(table) - 9)
    manifest = json.loads(table.schema.metadata[b"coreset"])
    assert manifest["count"] == len(table) > 100
    assert manifest["parameters"]["count"] == 9
    assert run_cli("info", out, "--strict").code == 0
    shown = run_cli("select", "-m", "echo", "-k", 9, *settings, tmp_path / "a.npy").rows
    assert shown == table["index"].to_pylist()
