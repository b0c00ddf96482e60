"""What stands for a class of real rows, against SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import trim_mean

from coreset_cli.condensation.target import require_trim, statistic
from coreset_cli.errors import InvalidParameter


def some_rows(m: int, e: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(m, e, generator=torch.Generator().manual_seed(seed)) + 2


@pytest.mark.parametrize("target", ["mean", "gm", "trimmed"])
def test_rows_that_are_all_alike_stand_for_themselves(target: str) -> None:
    row = torch.tensor([0.5, -2.0, 0.25])
    assert torch.equal(statistic(row.expand(7, 3), target, trim=0.2), row)
    assert torch.equal(statistic(row[None], target, trim=0.2), row)


def test_the_geometric_median_minimises_the_sum_of_distances() -> None:
    rows = some_rows(30, 4)
    found = statistic(rows, "gm", trim=0.0).double().numpy()
    cloud = rows.double().numpy()
    best = minimize(
        lambda point: np.linalg.norm(cloud - point, axis=1).sum(),
        cloud.mean(0),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000},
    )
    np.testing.assert_allclose(found, best.x, atol=1e-5)


@pytest.mark.parametrize("trim", [0.0, 0.07, 0.1, 0.25, 0.49])
@pytest.mark.parametrize("m", [1, 2, 10, 101])
def test_the_trimmed_mean_is_that_of_scipy(trim: float, m: int) -> None:
    rows = some_rows(m, 3)
    found = statistic(rows, "trimmed", trim=trim)
    np.testing.assert_allclose(found, trim_mean(rows.double().numpy(), trim, axis=0), rtol=1e-6)


def test_of_100_rows_7_in_100_are_7_at_each_end() -> None:
    """0.07·100 is 7.000000000000001 in doubles, and 0.29·100 is 28.999999999999996."""
    rows = torch.arange(100.0)[:, None] ** 2
    assert float(statistic(rows, "trimmed", trim=0.29)) == pytest.approx(
        float((torch.arange(29.0, 71.0) ** 2).mean())
    )


@pytest.mark.parametrize(("target", "holds"), [("gm", True), ("trimmed", True), ("mean", False)])
def test_gross_rows_carry_the_mean_away_and_no_other(target: str, holds: bool) -> None:
    """45 of 100 rows far away, all on one side: the worst case below a half."""
    good = some_rows(55, 8)
    rows = torch.cat([torch.full((45, 8), 1e6), good])
    found = statistic(rows, target, trim=0.45)
    away = float((found - good.mean(0)).norm())
    radius = float((good - good.mean(0)).norm(dim=1).max())
    # Of the median: Lopuhaa & Rousseeuw, Annals of Statistics 19, 1991: 2(1 - b) / (1 - 2b).
    assert (away <= 2 * 0.55 / 0.1 * radius) == holds


def test_the_statistic_is_a_constant_in_the_precision_of_the_rows() -> None:
    rows = some_rows(9, 4).requires_grad_()
    for target in ("mean", "gm", "trimmed"):
        found = statistic(rows, target, trim=0.2)
        assert not found.requires_grad
        assert found.dtype == torch.float32


@pytest.mark.parametrize("target", ["mean", "gm", "trimmed"])
def test_what_is_not_finite_shows(target: str) -> None:
    rows = some_rows(9, 4)
    rows[3, 1] = torch.inf
    assert not statistic(rows, target, trim=0.2).isfinite().all()


@pytest.mark.parametrize("trim", [-0.1, 0.5, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(trim: float) -> None:
    with pytest.raises(InvalidParameter, match="trim is"):
        require_trim(trim)
