"""Cases worked by hand, and SciPy's distances."""

import numpy as np
import pytest
import torch
from scipy.spatial import distance

from coreset_cli.condensation.distance import gradient_distance


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_one_row_alike_and_one_at_a_right_angle():
    found = gradient_distance([rows((1, 0), (0, 1))], [rows((0, 1), (0, 1))])
    assert found.item() == pytest.approx(1.000001, abs=1e-11)


def test_of_itself_it_is_a_millionth_of_each_squared_length():
    g = torch.randn((5, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (1e-6 / g.square().sum(1)).sum().item()
    assert gradient_distance([g], [g]).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("zero", [(True, False), (False, True), (True, True)])
def test_a_row_of_zeros_costs_one_and_has_no_slope(zero):
    a, b = rows((3, 4)), rows((1, 2))
    a, b = (torch.zeros_like(g) if z else g for g, z in zip((a, b), zero, strict=True))
    a.requires_grad_()
    found = gradient_distance([a], [b])
    assert found.item() == 1.0
    assert torch.autograd.grad(found, a)[0].isfinite().all()


def test_weights_are_cut_into_units_and_vectors_count_nothing():
    rng = np.random.default_rng(0)
    shapes = [(4, 3, 2, 2), (4,), (5, 16), (5,)]
    found, wanted = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))
    expected = sum(
        distance.cosine(a[unit].ravel(), b[unit].ravel())
        for a, b in zip(found, wanted, strict=True)
        if a.ndim > 1
        for unit in range(len(a))
    )
    tensors = [[torch.from_numpy(g) for g in side] for side in (found, wanted)]
    assert gradient_distance(*tensors).item() == pytest.approx(expected, abs=1e-4)


def test_lengths_of_rows_do_not_matter():
    generator = torch.Generator().manual_seed(1)
    a, b, scale = (torch.rand((6, 4), generator=generator) + 1 for _ in range(3))
    before = gradient_distance([a], [b])
    after = gradient_distance([a * scale[:, :1]], [b * scale[:, 1:2]])
    torch.testing.assert_close(before, after, atol=2e-6, rtol=0)


@pytest.mark.parametrize("metric", ["cosine", "mse", "l1"])
def test_of_the_whole_gradient_against_scipy(metric):
    rng = np.random.default_rng(2)
    found, wanted = ([rng.normal(size=(3, 2)), rng.normal(size=4)] for _ in range(2))
    one, other = (np.concatenate([g.ravel() for g in side]) for side in (found, wanted))
    expected = {
        "cosine": distance.cosine(one, other),
        "mse": distance.sqeuclidean(one, other),
        "l1": distance.cityblock(one, other),
    }[metric]
    tensors = [[torch.from_numpy(g) for g in side] for side in (found, wanted)]
    assert gradient_distance(*tensors, metric).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", ["layers", "cosine", "mse", "l1"])
def test_slopes_by_finite_differences(metric):
    generator = torch.Generator().manual_seed(3)
    g = [torch.randn(s, generator=generator, dtype=torch.float64) for s in ((3, 2), (2,))]
    h = [torch.randn(s, generator=generator, dtype=torch.float64) for s in ((3, 2), (2,))]
    g[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda a: gradient_distance([a, g[1]], h, metric), g[0])
