"""Rows of the smallest id hashes."""

import numpy as np

from coreset_cli.kernels.sample import sampled
from coreset_cli.seeds import Key

HASH = np.array([50, 10, 40, 10, 30], np.uint64)
KEY = Key(np.array([0, 4, 1, 2, 3]), HASH)


def test_the_smallest_hashes_are_taken_ascending_and_ties_by_id():
    assert sampled(KEY, 1).tolist() == [3]
    assert sampled(KEY, 2).tolist() == [1, 3]
    assert sampled(KEY, 3).tolist() == [1, 3, 4]


def test_all_rows_where_they_are_few():
    assert sampled(KEY, 5).tolist() == sampled(KEY, 9).tolist() == [0, 1, 2, 3, 4]
    assert sampled(KEY.take(np.array([], int)), 3).tolist() == []
