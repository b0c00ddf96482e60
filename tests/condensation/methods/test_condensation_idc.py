"""IDC: what is decoded, what is matched, and what networks learn from between two steps."""

import pytest
import torch
from tasks import judged, run_of, start_of, step_of, task_of
from torch.nn import functional

from coreset_cli.condensation.methods.idc import IDC
from coreset_cli.errors import InvalidParameter
from coreset_cli.training.formation import decoded
from coreset_cli.training.siamese import warped

SHORT = {"steps": 2, "trained": 24}


@pytest.mark.parametrize(("metric", "factor"), [("mse", 1), ("mse", 2), ("l1", 2)])
def test_the_loss_is_the_difference_of_gradients_of_convolutions(metric: str, factor: int) -> None:
    task, method = task_of(ipc=2), IDC(metric=metric, factor=factor, batch=6)
    step = step_of(method, task, start_of(method, task))
    found = [float(loss.detach()) for loss in method.losses(step)]
    images, network = task.pool.images, step.network
    for code in range(2):
        stored = step.pixels[2 * code : 2 * code + 2]
        pictures = images.normalise(255 * decoded(stored, factor))
        assert len(pictures) == 2 * factor**2
        gradients = []
        for batch in (step.real(code, 6), pictures):
            network.zero_grad()
            logits = network(warped(batch, step.warp(code)))
            targets = torch.full((len(batch),), code)
            functional.cross_entropy(logits, targets).backward()
            gradients.append([layer.weight.grad.clone() for layer in convolutions(network)])
        away = torch.cat([(a - b).flatten() for a, b in zip(*gradients, strict=True)])
        expected = away.square().sum() if metric == "mse" else away.abs().sum()
        assert found[code] == pytest.approx(float(expected), rel=1e-4)


def convolutions(network: torch.nn.Module) -> list[torch.nn.Conv2d]:
    found = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert found
    return found


def test_a_step_sees_128_decoded_pictures_at_most() -> None:
    """With more, pixels of some images have no gradient in a step."""
    task, method = task_of(ipc=40, rows=160), IDC(rate=1.0)
    step = step_of(method, task, start_of(method, task))
    (gradient,) = torch.autograd.grad(next(method.losses(step)), step.pixels)
    parts = gradient[:40].unflatten(3, (2, 4)).unflatten(2, (2, 4)).abs().amax((1, 3, 5))
    assert int((parts > 0).sum()) <= 128
    assert int((parts > 0).sum()) > 100


def test_images_begin_as_real_pictures_side_by_side() -> None:
    task, method = task_of(ipc=1), IDC(factor=2)
    first = start_of(method, task).pixels
    real = task.pool.images.pixels.float() / 255
    for code in range(2):
        quarters = decoded(first[code : code + 1], 2)[:, :, ::2, ::2]
        assert quarters.shape == (4, 1, 4, 4)
        mine = real[task.pool.members[code]][:, :, ::2, ::2]
        for top, left in ((0, 0), (0, 4), (4, 0), (4, 4)):
            part = first[code : code + 1, :, top : top + 4, left : left + 4]
            assert (mine == part).flatten(1).all(1).any()


def test_networks_learn_from_real_rows() -> None:
    task, method = task_of(), IDC(trained=400, network_rate=0.05)
    step = step_of(method, task, start_of(method, task))
    images = task.pool.images

    def loss() -> float:
        with torch.no_grad():
            logits = step.network(images.normalised(slice(None)))
            return float(functional.cross_entropy(logits, images.targets))

    before = loss()
    for _ in range(5):
        method.train(step)
    assert loss() < 0.9 * before


@pytest.mark.parametrize(
    ("settings", "rate"),
    [({"metric": "mse", "rate": 0.02}, 0.02), ({"metric": "mse"}, 5e-3 * 2 / 10 / 16)],
)
def test_pixels_move_at_the_published_rate(settings: dict[str, object], rate: float) -> None:
    """2 images a class of 8 pixels, where 10 of 32 pixels have a rate of 0.005."""
    assert IDC(**settings).schedule(task_of(ipc=2)).rate == pytest.approx(rate)


def test_grey_and_coloured_pictures_have_their_own_metric() -> None:
    assert IDC().schedule(task_of(ipc=10)).rate == pytest.approx(1e-4 * (8 / 28) ** 2)
    assert IDC().schedule(task_of(ipc=10, channels=3)).rate == pytest.approx(5e-3 / 16)


@pytest.mark.parametrize("settings", [{"rate": 0.5, "metric": "mse"}, {"rate": 0.01}])
def test_it_lowers_its_own_loss(settings: dict[str, object]) -> None:
    task, method = task_of(), IDC(**SHORT, **settings)
    states = run_of(method, task, 20)
    first, last = (judged(method, task, state) for state in (states[0], states[-1]))
    assert last < first


def test_a_grid_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="factor is 9"):
        IDC(factor=9).schedule(task_of())


@pytest.mark.parametrize("settings", [{"factor": 0}, {"trained": 0}, {"steps": 0}, {"rate": -1.0}])
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match="idc"):
        IDC(**settings)
