import math
from itertools import combinations

import numpy as np
import pytest
import torch
from clouds import drawn, ignore, points_of
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.kernels.cosine import Cosine
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.greedy import Greedy, lazy, maximise, naive, stochastic
from coreset_cli.kernels.similarity import Held, held
from coreset_cli.kernels.submodular import FacilityLocation, GraphCut
from coreset_cli.seeds import Key, Rng, mix64

WORKED = np.array(
    [[10, 8, 5, 1, 0, 0], [8, 10, 6, 2, 1, 0], [5, 6, 10, 3, 2, 1],
     [1, 2, 3, 10, 7, 6], [0, 1, 2, 7, 10, 4], [0, 0, 1, 6, 4, 10]], np.int32
)  # fmt: skip


def facility(matrix, rank=None):
    order = np.arange(len(matrix)) if rank is None else rank
    return FacilityLocation(Held(np.asarray(matrix, np.int32), torch.from_numpy(order)))


def cut(matrix, weight, rank=None):
    order = np.arange(len(matrix)) if rank is None else rank
    return GraphCut(Held(np.asarray(matrix, np.int32), torch.from_numpy(order)), weight)


def picked(optimizer, objective, k):
    run = Greedy(objective, k, ignore)
    optimizer(run)
    return run.picks, run.gains


def drawn_matrix(n, seed, top=8):
    half = np.random.default_rng(seed).integers(0, top, (n, n))
    return np.triu(half) + np.triu(half, 1).T


def by_sets(value, n, k, rank):
    """Greedy by the values of whole sets."""
    picks = []
    for _ in range(k):
        left = [j for j in range(n) if j not in picks]
        picks.append(min(left, key=lambda j: (-value([*picks, j]), rank[j])))
    return picks


class Counted:
    """An objective that counts the gains it is asked for."""

    ready = False

    def __init__(self, objective):
        self.objective, self.rank, self.asked = objective, objective.rank, 0

    def gains(self, rows):
        self.asked += len(rows)
        return self.objective.gains(rows)

    def add(self, row):
        self.objective.add(row)

    def scores(self, gains):
        return self.objective.scores(gains)


@pytest.mark.parametrize("optimizer", [naive, lazy])
def test_worked_by_hand(optimizer):
    assert picked(optimizer, facility(WORKED), 6) == ([3, 1, 2, 5, 4, 0], [29, 18, 4, 4, 3, 2])
    found = picked(optimizer, cut(WORKED, 1.0), 6)
    assert found == ([3, 1, 2, 5, 0, 4], [19, 13, -1, -3, -14, -14])
    picks, gains = picked(optimizer, cut(WORKED, 2.0), 6)
    assert picks == [3, 1, 2, 4, 0, 5]
    assert [gain + 10 for gain in gains] == [58, 50, 36, 28, 20, 20]  # of a row with itself: 10


@given(st.integers(1, 9), st.integers(0, 10**6), st.data())
@settings(max_examples=40, deadline=None)
def test_equals_greedy_by_the_values_of_sets(n, seed, data):
    s, rank = drawn_matrix(n, seed), np.random.default_rng(seed).permutation(n)
    k = data.draw(st.integers(1, n))
    weight = data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))

    def served(rows):
        return s[:, rows].max(1).sum()

    def parted(rows):
        return weight * s[:, rows].sum() - s[np.ix_(rows, rows)].sum()

    for optimizer in (naive, lazy):
        assert picked(optimizer, facility(s, rank), k)[0] == by_sets(served, n, k, rank)
        assert picked(optimizer, cut(s, weight, rank), k)[0] == by_sets(parted, n, k, rank)


@given(st.integers(2, 12), st.integers(0, 10**6), st.data())
@settings(max_examples=30, deadline=None)
def test_at_least_the_known_share_of_the_best_set(n, seed, data):
    s, k = drawn_matrix(n, seed, top=50), data.draw(st.integers(1, n))
    best = max(s[:, rows].max(1).sum() for rows in map(list, combinations(range(n), k)))
    picks, gains = picked(lazy, facility(s), k)
    assert sum(gains) == s[:, picks].max(1).sum()
    assert sum(gains) >= (1 - 1 / math.e) * best


@given(st.integers(20, 70), st.integers(2, 40), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_lazy_is_naive_ties_included(n, top, seed):
    s, rank = drawn_matrix(n, seed, top), np.random.default_rng(seed).permutation(n)
    for make in (facility, lambda s, rank: cut(s, 1.0, rank)):
        assert picked(lazy, make(s, rank), n) == picked(naive, make(s, rank), n)


@pytest.mark.parametrize("kind", ["blobs", "few values", "equal", "binary", "far"])
def test_lazy_is_naive_on_rows(kind):
    data = points_of(drawn(kind, 300, 6), ids=np.random.default_rng(0).permutation(300))
    near = Cosine.of(fixed(data.unit()))
    expected = picked(naive, FacilityLocation(held(near)), 60)
    assert picked(lazy, FacilityLocation(held(near)), 60) == expected
    assert picked(lazy, FacilityLocation(near), 60) == expected  # columns made when asked for


def test_lazy_asks_for_few_gains():
    near = held(Cosine.of(fixed(points_of(drawn("blobs", 400, 8)).unit())))
    asked = []
    for optimizer in (naive, lazy):
        counted = Counted(FacilityLocation(near))
        picked(optimizer, counted, 100)
        asked.append(counted.asked)
    assert asked[0] == sum(400 - t for t in range(100))
    assert asked[1] < asked[0] / 5


def test_stochastic_takes_the_best_of_its_draws():
    n, k, epsilon = 40, 8, 0.1
    s = drawn_matrix(n, 3, top=100)
    key = Key(np.arange(n), mix64(np.arange(n, dtype=np.uint64)))
    run = Greedy(Counted(facility(s)), k, ignore)
    stochastic(run, key, Rng(5), epsilon)
    size = math.ceil(n / k * math.log(1 / epsilon))
    assert run.objective.asked == k * size
    for t, pick in enumerate(run.picks):
        left = [j for j in range(n) if j not in run.picks[:t]]
        words = Rng(5).draws(f"stochastic greedy {t}", key)
        draw = sorted(left, key=lambda j: words[j])[:size]
        value = {j: s[:, [*run.picks[:t], j]].max(1).sum() for j in draw}
        assert pick == min(draw, key=lambda j: (-value[j], j))


def test_stochastic_of_all_rows_is_naive():
    n = 25
    key = Key(np.arange(n), mix64(np.arange(n, dtype=np.uint64)))
    s = drawn_matrix(n, 1)
    run = Greedy(facility(s), n, ignore)
    picks, _ = maximise(run, "stochastic", key, Rng(0), 1e-12)  # draws more than there are
    assert picks.tolist() == picked(naive, facility(s), n)[0]
    assert maximise(Greedy(facility(s), n, ignore), "lazy", key, Rng(0), 0.1)[0].tolist() == (
        maximise(Greedy(facility(s), n, ignore), "naive", key, Rng(0), 0.1)[0].tolist()
    )


class Remembered:
    """A memo that is always due, and gives back what was kept at some pick."""

    def __init__(self, state=None):
        self.state, self.kept = state, {}

    def recall(self):
        return self.state

    def due(self):
        return True

    def keep(self, state, done):
        self.kept[done] = state

    def close(self):
        pass

    def part(self, name):
        return self


@pytest.mark.parametrize("name", ["naive", "lazy", "stochastic"])
def test_goes_on_where_an_earlier_run_stopped(name):
    s = drawn_matrix(30, 7)
    key = Key(np.arange(30), mix64(np.arange(30, dtype=np.uint64)))
    memo = Remembered()
    whole = maximise(Greedy(facility(s), 12, ignore, memo), name, key, Rng(0), 0.1)
    assert sorted(memo.kept) == list(range(1, 12))
    for done in (1, 5, 11):
        counted = Counted(facility(s))
        told = []
        run = Greedy(
            counted, 12, lambda t, k, told=told: told.append((t, k)), Remembered(memo.kept[done])
        )
        again = maximise(run, name, key, Rng(0), 0.1)
        assert again[0].tolist() == whole[0].tolist()
        assert again[1].tolist() == whole[1].tolist()
        assert told == [(t, 12) for t in range(done + 1, 13)]
