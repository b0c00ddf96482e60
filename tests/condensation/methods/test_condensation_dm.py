"""Matching of features: worked by hand, class by class, and with other statistics."""

from dataclasses import replace

import pytest
import torch
from tasks import judged, run_of, start_of, step_of, task_of
from torch import nn

from coreset_cli.condensation.methods.dm import DM
from coreset_cli.condensation.pool import Pool
from coreset_cli.errors import InvalidParameter
from coreset_cli.training.batches import Images
from coreset_cli.training.networks import Network


def by_hand(rows, synthetic, **settings):
    """The step of pictures of 1×2 pixels that are their own features; all of one class."""
    task = task_of(classes=1, rows=4)
    values = torch.tensor(rows, dtype=torch.uint8)[:, None, None, :]
    images = Images(
        values, torch.zeros(len(rows), dtype=torch.int64), None, torch.zeros(1), torch.ones(1) / 255
    )
    pool = Pool(images, (torch.arange(len(rows)),))
    method = DM(augmentation="none", **settings)
    task = replace(task, pool=pool, ipc=len(synthetic))
    step = step_of(method, task_of(classes=1), start_of(method, task_of(classes=1)))
    pixels = torch.tensor(synthetic, dtype=torch.float32)[:, None, None, :].requires_grad_()
    network = Network(nn.Flatten(), nn.Linear(2, 1))
    step = replace(step, task=task, network=network, pixels=pixels)
    (loss,) = method.losses(step)
    return loss, torch.autograd.grad(loss, pixels)[0][:, 0, 0]


def test_means_one_and_two_against_zero_are_five_apart():
    loss, gradient = by_hand([(0, 1), (2, 3)], [(0.0, 0.0)])
    assert loss.item() == 5
    assert gradient.tolist() == [[-2, -4]]


def test_the_gradient_is_shared_among_the_images():
    loss, gradient = by_hand([(0, 1), (2, 3)], [(-1.0, 4.0), (1.0, -4.0)])
    assert loss.item() == 5
    assert gradient.tolist() == [[-1, -2], [-1, -2]]


def test_a_copy_of_the_batch_has_no_loss():
    loss, gradient = by_hand([(0, 1), (2, 3)], [(2.0, 3.0), (0.0, 1.0)])
    assert loss.item() == 0
    assert not gradient.any()


def test_statistics_that_one_row_cannot_move():
    rows = [(3, 5)] * 8 + [(255, 255)]
    mean, _ = by_hand(rows, [(3.0, 5.0)])
    assert mean.item() == pytest.approx((252 / 9) ** 2 + (250 / 9) ** 2, rel=1e-5)
    for settings in ({"target": "gm"}, {"target": "trimmed", "trim": 0.2}):
        loss, _ = by_hand(rows, [(3.0, 5.0)], **settings)
        assert loss.item() == pytest.approx(0, abs=1e-4)


def test_a_class_moves_its_own_images_alone():
    task = task_of(ipc=2, classes=3)
    method = DM()
    step = step_of(method, task, start_of(method, task))
    for code, loss in enumerate(method.losses(step)):
        (gradient,) = torch.autograd.grad(loss, step.pixels)
        moved = gradient.flatten(1).any(1)
        assert moved.tolist() == [place // 2 == code for place in range(6)]


def test_slopes_in_the_pixels_by_finite_differences():
    task = task_of(ipc=2, side=4)
    method = DM(augmentation="color_scale")
    step = step_of(method, task, start_of(method, task))
    step.network.body[2] = nn.Tanh()  # without kinks

    def loss(pixels):
        return sum(method.losses(replace(step, pixels=pixels)))

    (slope,) = torch.autograd.grad(loss(step.pixels), step.pixels)
    for seed in range(4):
        way = torch.randn(slope.shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            ends = [loss(step.pixels + sign * 1e-2 * way).item() for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / 2e-2
        assert (slope * way).sum().item() == pytest.approx(expected, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("target", ["mean", "gm", "trimmed"])
def test_it_lowers_its_loss(target):
    task, method = task_of(), DM(rate=0.1, target=target)
    states = run_of(method, task, 50)
    assert judged(method, task, states[-1]) < 0.7 * judged(method, task, states[0])


def test_published_rates():
    rates = [
        DM().schedule(replace(task_of(classes=classes), ipc=ipc)).rate
        for ipc, classes in [(1, 10), (50, 10), (100, 10), (1000, 10), (100, 100)]
    ]
    assert rates == [1, 1, 10, 10, 1]
    assert DM(rate=0.25).schedule(task_of()).rate == 0.25


def test_digits_are_not_mirrored_and_colour_is():
    assert DM().schedule(task_of()).strategy.text == "color_crop_cutout_scale_rotate"
    assert "flip" in DM().schedule(task_of(channels=3)).strategy.text


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0.0}, {"rate": float("inf")}, {"batch": 0}, {"momentum": 1.0}, {"trim": 0.5}],
)
def test_refused(settings):
    with pytest.raises(InvalidParameter):
        DM(**settings)
