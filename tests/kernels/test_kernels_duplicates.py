import numpy as np
import pytest
import torch
from clouds import ignore, points_of

from coreset_cli.kernels import duplicates as module
from coreset_cli.kernels.duplicates import Directions, apart, nearest_before, nearest_kept
from coreset_cli.kernels.fixed import fixed


def cosines_before(rows):
    """Largest cosine of each row to a row before it; of zero rows to others 0, of copies 1."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    cosine = unit @ unit.T
    cosine[(rows[:, None] == rows).all(2)] = 1
    return np.array([cosine[i, :i].max() if i else -np.inf for i in range(len(rows))])


def drawn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    rows[[9, 20]] = rows[3]
    rows[[5, 33]] = 0
    return rows


def directions_of(rows, groups=None):
    points = fixed(points_of(rows).unit())
    groups = [np.arange(len(rows))] if groups is None else groups
    return Directions(
        rows=points.rows,
        zero=torch.from_numpy(~rows.any(1)),
        one=4.0**points.grid.step,
        groups=[torch.from_numpy(group) for group in groups],
    )


def kept_one_by_one(rows, epsilon):
    """Rows that no kept row before them is nearer to than 1 − cosine = epsilon."""
    kept = []
    for i in range(len(rows)):
        near = cosines_before(rows[[*kept, i]])[-1]
        if near <= 1 - epsilon:
            kept.append(i)
    return kept


@pytest.mark.parametrize("block", [1, 7, 512])
def test_is_brute_force(block, monkeypatch):
    rows = drawn()
    directions = directions_of(rows)
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    found = 1 - nearest_before(directions, ignore).numpy() / 2 / directions.one
    assert found == pytest.approx(cosines_before(rows.astype(float)), abs=1e-4)
    assert found[[9, 20, 33]].tolist() == [1, 1, 1]


@pytest.mark.parametrize("block", [1, 7, 512])
@pytest.mark.parametrize("epsilon", [0.01, 0.2, 0.9, 1.3])
def test_only_kept_rows_count(block, epsilon, monkeypatch):
    rows = drawn()
    directions = directions_of(rows)
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    least = 2 * epsilon * directions.one
    found = nearest_kept(directions, least).numpy()
    kept = np.flatnonzero(found >= least)
    assert kept.tolist() == kept_one_by_one(rows.astype(float), epsilon)
    expected = cosines_before(rows[kept].astype(float))
    assert 1 - found[kept] / 2 / directions.one == pytest.approx(expected, abs=1e-4)


def test_every_group_is_alone_and_a_threshold_of_0_keeps_copies():
    rows = drawn()
    groups = [np.arange(0, 60, 2), np.arange(1, 60, 2)[::-1].copy()]
    directions = directions_of(rows, groups)
    whole = nearest_kept(directions, 0.0)
    assert torch.equal(whole, nearest_before(directions, ignore))
    for group in groups:
        alone = directions_of(rows[group])
        expected = nearest_kept(alone, 0.6 * alone.one)
        found = nearest_kept(directions, 0.6 * alone.one)[torch.from_numpy(group)]
        assert torch.equal(found >= 0.6 * alone.one, expected >= 0.6 * alone.one)


@pytest.mark.parametrize("k", [1, 5, 20, 56, 57, 60])
def test_the_threshold_keeps_as_many(k):
    """57 rows differ in direction: 60, less two copies and one of the two zero rows."""
    directions = directions_of(drawn())
    found = apart(directions, k, ignore)
    if k > 57:
        assert torch.equal(found, nearest_before(directions, ignore))
        return
    kth = float(found.sort(descending=True).values[k - 1])
    kept = nearest_kept(directions, kth) >= kth
    assert int(kept.sum()) == k
    assert torch.equal(kept, found >= kth)
