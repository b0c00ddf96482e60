import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2, kstest

from coreset_cli.artifacts.ids import make_ids, row_numbers
from coreset_cli.seeds import Key, Rng, mix64


def keys(n, first=0):
    return row_numbers(first + n).key().take(np.arange(first, first + n))


def test_mix64_is_splitmix64():
    def reference(state):  # Vigna's C code, in Python's integers
        word = 2**64 - 1
        z = (state + 0x9E3779B97F4A7C15) & word
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        return z ^ (z >> 31)

    words = [0, 1, 2**63, 2**64 - 1, 1234567]
    assert mix64(np.array(words, np.uint64)).tolist() == [reference(word) for word in words]
    assert reference(0) == 0xE220A8397B1DCDAF  # the first output of the published generator


def test_a_draw_follows_the_id():
    key, some = keys(100), np.array([40, 3, 77])
    assert Rng(1).draws("a", key)[some].tolist() == Rng(1).draws("a", key.take(some)).tolist()


def test_an_integer_id_draws_the_same_in_any_file():
    listed = make_ids(pa.array([5, 2, 9]), "ids").key()
    assert Rng(0).draws("a", listed).tolist() == Rng(0).draws("a", keys(10))[[5, 2, 9]].tolist()


@pytest.mark.parametrize("other", [(1, "a"), (0, "b"), (-1, "a"), (2**70, "a")])
def test_seed_and_purpose_are_independent(other):
    key = keys(4000)
    seed, purpose = other
    first, second = Rng(0).draws("a", key), Rng(seed).draws(purpose, key)
    assert not np.intersect1d(first, second).size
    assert abs(np.corrcoef(first.astype(float), second.astype(float))[0, 1]) < 0.06  # 4 σ


def test_draws_are_uniform():
    draws = Rng(0).draws("a", keys(20_000)) / 2.0**64
    assert kstest(draws, "uniform").pvalue > 1e-3
    bits = np.unpackbits(Rng(0).draws("a", keys(4096)).view(np.uint8)).mean()
    assert abs(bits - 0.5) < 0.004  # 4 σ of 262,144 bits


def test_a_sample_is_a_permutation_and_hits_every_row_alike():
    key = keys(20)
    hits = np.zeros(20)
    for seed in range(1000):
        order = Rng(seed).shuffled("a", key)
        assert sorted(order.tolist()) == list(range(20))
        hits[order[:5]] += 1
    statistic = ((hits - 250) ** 2 / 250).sum() / (1 - 5 / 20)
    assert statistic < chi2.ppf(0.999, 19)


def test_equal_hashes_go_by_rank():
    key = Key(np.array([2, 0, 1]), np.zeros(3, np.uint64))
    assert Rng(0).shuffled("a", key).tolist() == [1, 2, 0]
