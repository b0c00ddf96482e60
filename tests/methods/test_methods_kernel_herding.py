import numpy as np
import pytest
from clouds import inputs_of
from scipy.spatial.distance import cdist, pdist

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.kernel_herding import KernelHerding
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


def test_follows_the_distribution_far_better_than_random():
    draws = [mmd(rng.choice(500, 60, replace=False)) for _ in range(50)]
    assert mmd(pick(KernelHerding(), 60).rows) < np.median(draws) / 10


def test_every_part_has_its_share():
    parts = np.repeat([0, 1, 2], [250, 150, 100])
    assert np.abs(np.bincount(parts[pick(KernelHerding(), 50).rows]) - [25, 15, 10]).max() <= 2


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_the_width_is_in_medians(width):
    found = pick(KernelHerding(width=width), 5)
    assert found.facts["width"] == pytest.approx(width * np.median(pdist(ROWS)), rel=1e-4)


def test_does_not_see_shift_or_scale():
    moved = (8 * ROWS + 3).astype(np.float32)
    assert set(pick(KernelHerding(), 30).rows) == set(pick(KernelHerding(), 30, rows=moved).rows)


def test_the_seed_draws_the_rows_of_the_width():
    many = rng.normal(size=(2300, 2)).astype(np.float32)
    widths = {pick(KernelHerding(), 1, seed, many).facts["width"] for seed in range(3)}
    assert len(widths) == 3
    assert max(widths) / min(widths) < 1.05


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_widths_are_refused(width):
    with pytest.raises(InvalidParameter, match="width"):
        KernelHerding(width=width)
