"""Curvature of the last layer: closed forms against autograd on a small network."""

from dataclasses import replace

import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call, jacrev
from torch.nn import functional

from coreset_cli.condensation.curvature import (
    Answers,
    curvature_gap,
    gradient_variance,
    hessian_diagonal,
)

CLASSES, SIZE = 3, 6

CASES = [
    (curvature, gap)
    for curvature in ("hessian", "gradient-variance")
    for gap in ("top", "max", "l1", "l2")
]


@pytest.fixture
def network() -> torch.nn.Sequential:
    generator = torch.Generator().manual_seed(3)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.Tanh(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8, CLASSES),
    ).double()
    for values in layers.parameters():
        values.data = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    return layers


def some_pictures(m: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(m, 1, SIZE, SIZE, generator=generator, dtype=torch.float64)


def answers(network: torch.nn.Sequential, pictures: torch.Tensor) -> Answers:
    features = network[:-1](pictures)
    targets = torch.arange(len(pictures)) % CLASSES
    return Answers(logits=network[-1](features), features=features, targets=targets)


def last_layer_loss(
    head: torch.nn.Linear, flat: torch.Tensor, features: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy as a function of the weights and biases, numbered c·(e + 1) + q."""
    table = flat.view(CLASSES, -1)
    parameters = {"weight": table[:, :-1], "bias": table[:, -1]}
    return functional.cross_entropy(functional_call(head, parameters, (features,)), targets)


def flat_parameters(head: torch.nn.Linear) -> torch.Tensor:
    return torch.cat([head.weight, head.bias[:, None]], 1).detach().flatten()


def test_the_closed_hessian_is_the_diagonal_of_autograds(network: torch.nn.Sequential) -> None:
    found = answers(network, some_pictures(5, 0))
    inside = found.features.detach()
    whole = hessian(
        lambda flat: last_layer_loss(network[-1], flat, inside, found.targets),
        flat_parameters(network[-1]),
    )
    expected = whole.diagonal().view(CLASSES, -1)
    torch.testing.assert_close(hessian_diagonal(found).detach(), expected)


def test_the_closed_variance_is_that_of_autograds_gradients(network: torch.nn.Sequential) -> None:
    found = answers(network, some_pictures(5, 0))
    inside = found.features.detach()
    gradients = torch.stack(
        [
            jacrev(
                lambda flat, i=i: last_layer_loss(
                    network[-1], flat, inside[i : i + 1], found.targets[i : i + 1]
                )
            )(flat_parameters(network[-1]))
            for i in range(5)
        ]
    )
    expected = gradients.var(0, correction=0).view(CLASSES, -1)
    torch.testing.assert_close(gradient_variance(found).detach(), expected)


def test_curvature_knows_no_labels_and_the_variance_does(network: torch.nn.Sequential) -> None:
    found = answers(network, some_pictures(5, 0))
    other = replace(found, targets=found.targets.roll(1))
    assert torch.equal(hessian_diagonal(found), hessian_diagonal(other))
    assert not torch.allclose(gradient_variance(found), gradient_variance(other))


def test_one_picture_has_no_variance(network: torch.nn.Sequential) -> None:
    found = gradient_variance(answers(network, some_pictures(1, 0))).detach()
    assert float(found.abs().max()) < 1e-14


@pytest.mark.parametrize(("curvature", "gap"), CASES)
def test_a_batch_is_as_curved_as_itself(
    network: torch.nn.Sequential, curvature: str, gap: str
) -> None:
    pictures = some_pictures(6, 1).requires_grad_()
    found = answers(network, pictures)
    away = curvature_gap(found, found, curvature=curvature, gap=gap, coordinates=5)
    assert float(away.detach()) == 0
    (gradient,) = torch.autograd.grad(away, pictures)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("curvature", ["hessian", "gradient-variance"])
def test_gaps_are_those_of_numpy(network: torch.nn.Sequential, curvature: str) -> None:
    real, synthetic = (answers(network, some_pictures(6, seed)) for seed in (1, 2))
    of = hessian_diagonal if curvature == "hessian" else gradient_variance
    away = (of(synthetic) - of(real)).detach().abs().flatten()
    alone = [
        of(replace(real, logits=logits, features=features, targets=targets)).flatten()
        for logits, features, targets in zip(
            real.logits.split(1), real.features.split(1), real.targets.split(1), strict=True
        )
    ]
    spread = torch.stack(alone).var(0) if curvature == "hessian" else of(real).flatten()
    most = spread.detach().numpy().argsort()[::-1][:7].copy()
    expected = {
        "top": away[torch.from_numpy(most)].sum(),
        "max": away.max(),
        "l1": away.sum(),
        "l2": away.square().sum().sqrt(),
    }
    for gap, value in expected.items():
        found = curvature_gap(real, synthetic, curvature=curvature, gap=gap, coordinates=7)
        torch.testing.assert_close(found.detach(), value)


def test_all_entries_are_compared_where_more_are_asked_for(network: torch.nn.Sequential) -> None:
    real, synthetic = (answers(network, some_pictures(6, seed)) for seed in (1, 2))
    both = [
        curvature_gap(real, synthetic, curvature="hessian", gap=gap, coordinates=10_000)
        for gap in ("top", "l1")
    ]
    torch.testing.assert_close(both[0], both[1])


def test_of_entries_that_vary_alike_the_first_are_compared() -> None:
    """All classes alike, features 2 and 2: entries 0, 1, 3, 4 … tie, and entry 0 comes first."""
    features = torch.tensor([[2.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    real = Answers(
        logits=torch.zeros(2, 2).double(), features=features, targets=torch.tensor([0, 1])
    )
    # Only class 0 of feature 0 is further away by this: p (1 - p) = 1/4, mean of 4 and 0 is 2.
    moved = replace(real, features=torch.tensor([[4.0, 2.0], [0.0, 0.0]], dtype=torch.float64))
    found = curvature_gap(real, moved, curvature="hessian", gap="top", coordinates=1)
    assert float(found) == pytest.approx(0.25 * (16 - 4) / 2)
    other = replace(real, features=torch.tensor([[2.0, 4.0], [0.0, 0.0]], dtype=torch.float64))
    assert float(curvature_gap(real, other, curvature="hessian", gap="top", coordinates=1)) == 0


@pytest.mark.parametrize(("curvature", "gap"), CASES)
def test_the_pixel_gradient_is_that_of_finite_differences(
    network: torch.nn.Sequential, curvature: str, gap: str
) -> None:
    real = answers(network, some_pictures(6, 1))

    def away(pictures: torch.Tensor) -> torch.Tensor:
        found = answers(network, pictures)
        return curvature_gap(real, found, curvature=curvature, gap=gap, coordinates=5)

    assert torch.autograd.gradcheck(away, (some_pictures(2, 2).requires_grad_(),))


def test_the_real_side_is_a_constant(network: torch.nn.Sequential) -> None:
    pictures = some_pictures(6, 1).requires_grad_()
    away = curvature_gap(
        answers(network, pictures),
        answers(network, some_pictures(2, 2)),
        curvature="hessian",
        gap="l1",
        coordinates=5,
    )
    (gradient,) = torch.autograd.grad(away, pictures, allow_unused=True)
    assert gradient is None


def test_sure_answers_pull_at_no_pixel(network: torch.nn.Sequential) -> None:
    network[-1].weight.data *= 1e4
    pictures = some_pictures(2, 2).requires_grad_()
    away = curvature_gap(
        answers(network, some_pictures(6, 1)),
        answers(network, pictures),
        curvature="hessian",
        gap="l1",
        coordinates=5,
    )
    (gradient,) = torch.autograd.grad(away, pictures)
    assert float(gradient.abs().max()) == 0
