import itertools
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.corruption.draws import below, generator, normals, row_normals, uniforms

words = st.integers(0, 2**64 - 1)


def philox(counter, key):
    """Philox-4×64-10 of Salmon et al. (2011), four words in, four words out."""
    mask = 2**64 - 1
    a, b, c, d = counter
    k, q = key
    for _ in range(10):
        low, high = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
        a, b, c, d = high >> 64 ^ b ^ k, high & mask, low >> 64 ^ d ^ q, low & mask
        k, q = (k + 0x9E3779B97F4A7C15) & mask, (q + 0xBB67AE8584CAA73B) & mask
    return a, b, c, d


def raw(word):
    """The integers of a stream; its counter starts at 1."""
    for count in itertools.count(1):
        yield from philox((count, 0, 0, 0), (word, 0))


def test_the_reference_gives_the_published_answer():
    answer = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert list(philox((0, 0, 0, 0), (0, 0))) == answer


@given(words)
@settings(max_examples=20, deadline=None)
def test_uniform_draws_are_the_integers_of_the_stream(word):
    expected = [Fraction(2 * (r >> 12) + 1, 2**53) for r in itertools.islice(raw(word), 9)]
    assert [Fraction(float(u)) for u in uniforms(generator(word), 9)] == expected
    assert all(0 < u < 1 for u in expected)


@given(words, st.integers(1, 2**40))
@settings(max_examples=20, deadline=None)
def test_a_place_is_a_share_of_the_range(word, limit):
    assert below(generator(word), limit) == next(raw(word)) * limit // 2**64


@given(words, st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_normal_draws_come_in_pairs(word, m):
    pairs = (m + 1) // 2
    u = [float(Fraction(2 * (r >> 12) + 1, 2**53)) for r in itertools.islice(raw(word), 2 * pairs)]
    radius = np.sqrt(-2 * np.log(np.array(u[:pairs])))
    turn = 2j * np.pi * np.array(u[pairs:])
    z = radius * np.exp(turn)
    expected = [*z.real, *z.imag][:m]
    assert normals(generator(word), m) == pytest.approx(expected, abs=1e-12)


def test_draws_have_their_distributions():
    assert scipy.stats.kstest(uniforms(generator(1), 20_000), "uniform").pvalue > 0.001
    assert scipy.stats.kstest(normals(generator(2), 20_001), "norm").pvalue > 0.001
    halves = normals(generator(3), 20_000).reshape(2, -1)
    assert abs(scipy.stats.pearsonr(*halves).statistic) < 0.03
    neighbours = [normals(generator(word), 100) for word in range(200)]
    assert scipy.stats.kstest(np.concatenate(neighbours), "norm").pvalue > 0.001
    places = np.bincount([below(generator(word), 7) for word in range(7000)], minlength=7)
    assert scipy.stats.chisquare(places).pvalue > 0.001


def test_rows_have_normal_draws_of_their_own():
    drawn = row_normals(np.arange(500, dtype=np.uint64), 41)
    assert drawn.shape == (500, 41)
    assert scipy.stats.kstest(drawn.ravel(), "norm").pvalue > 0.001
    assert scipy.stats.kstest(drawn[:, 0], "norm").pvalue > 0.001
    assert np.abs(np.corrcoef(drawn.T) - np.eye(41)).max() < 0.2
    assert np.array_equal(row_normals(np.array([7, 3], np.uint64), 41), drawn[[7, 3]])
