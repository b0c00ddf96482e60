import numpy as np
import pytest
from clouds import inputs_of
from scipy.spatial.distance import cdist, pdist

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.kernel_thinning import UNORDERED, KernelThinning
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

rng = np.random.default_rng(0)
ROWS = np.vstack(
    [m + 0.3 * rng.normal(size=(n, 2)) for m, n in (([0, 0], 250), ([4, 0], 150), ([0, 4], 100))]
).astype(np.float32)
KERNEL = np.exp(-(cdist(ROWS, ROWS) ** 2) / np.median(pdist(ROWS) ** 2))


def mmd(rows):
    """Squared maximum mean discrepancy to all rows."""
    within = KERNEL[np.ix_(rows, rows)].mean()
    return within - 2 * KERNEL[rows].mean() + KERNEL.mean()


def pick(method, k, seed=0, rows=ROWS):
    return choose(method, inputs_of(rows), k, Rng(seed))


def test_sizes_that_are_no_power_of_two_can_be_had():
    rows = ROWS[:37]
    for k in (1, 2, 3, 5, 9, 18, 19, 36, 37):
        found = pick(KernelThinning(), k, rows=rows).rows
        assert len(set(found.tolist())) == k
        assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("seed", range(2))
def test_is_far_more_like_all_rows_than_random(seed):
    """The document measured 2–5e-5 for thinning, 6e-3 for random."""
    draws = [mmd(rng.choice(500, 60, replace=False)) for _ in range(50)]
    assert mmd(pick(KernelThinning(), 60, seed).rows) < np.median(draws) / 50


def test_halving_fewer_rows_is_nearly_as_good():
    draws = [mmd(rng.choice(500, 60, replace=False)) for _ in range(50)]
    assert mmd(pick(KernelThinning(rows=120), 60).rows) < np.median(draws) / 30


def test_the_seed_decides():
    rows = rng.permutation(ROWS)[:90]
    found = [pick(KernelThinning(), 9, seed, rows).rows.tolist() for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len({tuple(picks) for picks in found}) > 1


def test_the_order_says_nothing():
    assert not KernelThinning().prefix
    assert pick(KernelThinning(), 5).notes == (UNORDERED,)


@pytest.mark.parametrize("bad", [{"width": 0.0}, {"width": float("nan")}, {"rows": 0}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(InvalidParameter, match=next(iter(bad))):
        KernelThinning(**bad)
