"""Matching of gradients: at a copy of the real batch, by finite differences, and by weights."""

from dataclasses import replace

import pytest
import torch
from tasks import start_of, step_of, task_of
from torch.nn import functional

from coreset_cli.condensation.gradients import both_answers, gradient_loss, rounds
from coreset_cli.condensation.methods.dc import DC
from coreset_cli.condensation.methods.dsa import DSA


def smooth_step():
    """A step whose network is of float64 and has no kinks, so that differences are exact."""
    task = task_of(ipc=2, side=4, network="convnet:width=3,depth=1,norm=instance")
    step = step_of(DC(), task, start_of(DC(), task))
    network = step.network.double()
    network.body[2] = torch.nn.Tanh()
    return replace(step, network=network)


def answers_of(step, pictures, code=0):
    return step.answers(pictures, code)


@pytest.mark.parametrize(
    ("ipc", "expected"),
    [(1, (1, 1)), (10, (10, 50)), (20, (20, 25)), (30, (30, 20)), (40, (40, 15)), (50, (50, 10))],
)
def test_published_rounds(ipc, expected):
    assert rounds(ipc) == expected


def test_rounds_between_and_beyond():
    assert rounds(5) == (5, 100)
    assert rounds(1000) == (1000, 1)


def test_a_permutation_of_the_real_batch_costs_its_dead_units_alone():
    step = smooth_step()
    real = step.real(0, 6).double()
    own = answers_of(step, real.flip(0))
    goal = functional.cross_entropy(own.logits, own.targets)
    gradients = torch.autograd.grad(goal, list(step.network.parameters()), retain_graph=True)
    lengths = torch.cat([g.flatten(1).norm(dim=1) for g in gradients if g.ndim > 1])
    expected = torch.where(lengths > 0, 1e-6 / lengths.square(), 1.0).sum()
    found = gradient_loss(step.network, answers_of(step, real), own)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize("metric", ["layers", "mse"])
def test_slopes_in_the_pixels_by_finite_differences(metric):
    step = smooth_step()
    real = answers_of(step, step.real(0, 4).double())
    pixels = step.real(1, 2).double().requires_grad_()

    def loss(x):
        return gradient_loss(step.network, real, answers_of(step, x), metric=metric)

    assert torch.autograd.gradcheck(loss, pixels, eps=1e-6, atol=1e-5)


def test_equal_weights_are_the_mean_and_others_are_not():
    step = smooth_step()
    real = answers_of(step, step.real(0, 4).double())
    own = answers_of(step, step.synthetic(0).double())
    even, odd = torch.full((4,), 0.25), torch.tensor([1.0, 0, 0, 0])
    plain = gradient_loss(step.network, real, own)
    torch.testing.assert_close(gradient_loss(step.network, real, own, weights=even), plain)
    alone = answers_of(step, step.real(0, 4).double()[:1])
    expected = gradient_loss(step.network, alone, own)
    torch.testing.assert_close(gradient_loss(step.network, real, own, weights=odd), expected)
    assert abs(expected - plain) > 1e-3


def test_parameters_may_be_chosen():
    step = smooth_step()
    real = answers_of(step, step.real(0, 4).double())
    own = answers_of(step, step.synthetic(0).double())
    filters = [p for p in step.network.parameters() if p.ndim == 4]
    head = list(step.network.head.parameters())
    parts = [
        gradient_loss(step.network, real, own, parameters=chosen) for chosen in (filters, head)
    ]
    torch.testing.assert_close(sum(parts), gradient_loss(step.network, real, own))


def test_real_and_synthetic_pictures_are_changed_alike():
    """With the real rows for its pixels, the synthetic batch gives the real answers."""
    task = task_of(ipc=12, rows=12)
    method = DSA(augmentation="crop_rotate_color")
    step = step_of(method, task, start_of(method, task))
    pool = task.pool
    same = torch.cat([step.real(code, 12) for code in range(2)])
    step = replace(step, pixels=same.requires_grad_())
    for code in range(2):
        real, own = both_answers(step, code, batch=12)
        assert torch.equal(real.logits, own.logits)
        plain = step.answers(pool.pictures(pool.members[code]), code)
        assert not torch.equal(real.logits.sort(0).values, plain.logits.sort(0).values)
