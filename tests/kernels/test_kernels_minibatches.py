"""Mini-batches: their sums, and what is spread over their rows."""

import numpy as np
import pytest
from snapshots import drawn_matrices, whole

from coreset_cli import kernels
from coreset_cli.errors import DoesNotFit
from coreset_cli.kernels.minibatches import Minibatches


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_sums_and_means_are_those_written_out(size):
    matrices = drawn_matrices(10, 2, 3)
    long = whole(matrices)
    parts = [long[start : start + size] for start in range(0, 10, size)]
    batches = Minibatches(10, size)
    assert batches.count == len(parts)
    assert whole(batches.sums(matrices)) == pytest.approx(
        np.stack([one.sum(0) for one in parts]), rel=1e-5, abs=1e-6
    )
    assert whole(batches.means(matrices)) == pytest.approx(
        np.stack([one.mean(0) for one in parts]), rel=1e-5, abs=1e-6
    )


def test_a_batch_that_is_cut_off_keeps_its_weight():
    """Batches of 4 of 10 rows: the short one, then two rows of four for the rest of five."""
    rows, weights = Minibatches(10, 4).spread(np.array([2, 0]), np.array([3.0, 5.0]), 4)
    assert rows.tolist() == [8, 9, 0, 1]
    assert weights.tolist() == [3, 3, 10, 10]


def test_the_fewest_batches():
    batches = Minibatches(10, 4)
    assert [batches.fewest(k) for k in (1, 4, 5, 10)] == [1, 1, 2, 3]
    assert batches.sizes.tolist() == [4, 4, 2]


def test_batches_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(kernels.gradients, "WHOLE_BYTES", 4 * 4 * 6 - 1)
    with pytest.raises(DoesNotFit, match="more than 3 rows a batch"):
        Minibatches(10, 3).sums(drawn_matrices(10, 2, 3))
