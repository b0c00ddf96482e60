import numpy as np
from clouds import inputs_of
from scipy.stats import chi2

from coreset_cli.compose.per_class import PerClass
from coreset_cli.methods.random import Random
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

ROWS = np.zeros((1000, 1), np.float32)
LABELS = np.repeat([0, 1, 2], [600, 300, 100])


def test_class_counts_of_one_pool_are_those_of_chance():
    data, statistic, seeds, k = inputs_of(ROWS, LABELS), 0.0, 60, 100
    expected = k * np.array([0.6, 0.3, 0.1])
    for seed in range(seeds):
        counts = np.bincount(LABELS[choose(Random(), data, k, Rng(seed)).rows], minlength=3)
        statistic += ((counts - expected) ** 2 / expected).sum() / (1 - k / 1000)
    assert chi2.ppf(0.001, 2 * seeds) < statistic < chi2.ppf(0.999, 2 * seeds)


def test_inside_classes_the_quotas_are_exact():
    rows = choose(PerClass(method=Random()), inputs_of(ROWS, LABELS), 100, Rng(0)).rows
    assert np.bincount(LABELS[rows]).tolist() == [60, 30, 10]


def test_a_class_draws_the_same_whatever_the_others_are():
    alone = inputs_of(ROWS[:600], LABELS[:600])
    first = choose(PerClass(method=Random()), alone, 60, Rng(0)).rows
    mixed = choose(PerClass(method=Random()), inputs_of(ROWS, LABELS), 100, Rng(0)).rows
    assert mixed[LABELS[mixed] == 0].tolist() == first.tolist()
