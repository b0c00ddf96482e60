"""The loop against one written out plainly, and what it promises of seeds and interruptions."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from coreset_cli.errors import NotFinite
from coreset_cli.training.augment import augmented, draw, epoch_generator
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.loop import logits_of, train
from coreset_cli.training.networks import Network
from coreset_cli.training.recipe import network_recipe
from coreset_cli.training.record import Recorder
from coreset_cli.training.schedule import learning_rate

CLASSES = 3


def pictures(n: int, *, side: int = 8, seed: int = 0, weights=None) -> Images:
    """Classes that differ in brightness, under noise."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, CLASSES, n)
    values = rng.integers(0, 120, (n, side, side, 3)) + 60 * codes[:, None, None, None]
    return images_of(values.astype(np.uint8), codes, weights=weights)


def small(*, dropout: float = 0.0, norm: bool = True) -> Network:
    torch.manual_seed(5)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6) if norm else nn.GroupNorm(2, 6)]
    layers += [nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout)]
    return Network(nn.Sequential(*layers), nn.Linear(24, CLASSES))


def parameters(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten().double() for value in network.state_dict().values()])


def pair_loss(logits, targets, weights, margin):
    """The loss of pairs, pair by pair."""
    near, far = [], []
    for i in range(len(targets)):
        for j in range(i):
            away = (logits[i] - logits[j]).norm()
            same = targets[i] == targets[j]
            value = away**2 if same else (margin - away).clamp_min(0)
            (near if same else far).append((weights[i] * weights[j], value))
    means = [sum(w * v for w, v in part) / sum(w for w, _ in part) for part in (near, far) if part]
    return sum(means)


def plainly_trained(images: Images, text: str, seed: int) -> Network:
    """What the loop must equal: a DataLoader's epoch with PyTorch's optimiser, in float32."""
    recipe, network = network_recipe(text), small()
    network.to(memory_format=torch.channels_last)
    n, step = len(images), 0
    sizes = [recipe.batch] * (n // recipe.batch) + ([n % recipe.batch] if n % recipe.batch else [])
    if sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=1.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    weights = torch.ones(n) if images.weights is None else images.weights * n / images.weights.sum()
    for epoch in range(recipe.epochs):
        generator = epoch_generator(seed, epoch)
        order = torch.randperm(n, generator=generator)
        draws = draw(recipe, images.pixels.shape, generator, torch.device("cpu"))
        start = 0
        for size in sizes:
            rows = order[start : start + size]
            start += size
            batch = augmented(images, rows, draws, recipe)
            logits = network(batch.contiguous(memory_format=torch.channels_last))
            losses = functional.cross_entropy(logits, images.targets[rows], reduction="none")
            loss = (weights[rows] * losses).sum() / size
            if recipe.structure:
                loss = loss + recipe.structure * pair_loss(
                    logits, images.targets[rows], weights[rows], recipe.contrast_margin
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = learning_rate(recipe, step, len(sizes))
            if recipe.clip is not None:
                norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
                for p in network.parameters():
                    p.grad *= min(1.0, recipe.clip / (float(norm) + 1e-6))
            optimiser.step()
            step += 1
    return network


@pytest.mark.parametrize(
    "text",
    [
        "gm-cifar:epochs=1,batch=16",
        "gm-cifar:epochs=4,batch=13",  # 40 = 13·3 + 1: the last row joins the batch before
        "echo:epochs=2,batch=20,structure=0",
        "echo:epochs=2,batch=20",
        "quick:epochs=1,batch=16,structure=0.1,contrast_margin=4",
        "gm-tiny:epochs=2,batch=16,clip=0.05",
        "quick:epochs=2,batch=16",
        "gm-cifar:epochs=2,batch=64",  # fewer rows than a batch
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_training_equals_a_plain_loop(text, weighted):
    weights = np.random.default_rng(1).uniform(0.5, 20, 40) if weighted else None
    images, network = pictures(40, weights=weights), small()
    text += ",precision=float32"
    train(network, images, network_recipe(text), seed=3)
    expected = parameters(plainly_trained(images, text, 3))
    torch.testing.assert_close(parameters(network), expected, rtol=0, atol=2e-6)
    other = parameters(plainly_trained(images, text, 4))
    assert not torch.allclose(parameters(network), other, atol=2e-4)


def test_one_epoch_equals_a_plain_loop_bit_for_bit():
    images, network = pictures(64), small()
    text = "gm-cifar:epochs=1,batch=16,precision=float32"
    train(network, images, network_recipe(text), seed=0)
    assert torch.equal(parameters(network), parameters(plainly_trained(images, text, 0)))


def test_echo_without_its_loss_of_pairs_is_the_plain_recipe_bit_for_bit():
    first, second, third = small(), small(), small()
    cosine = "quick:schedule=cosine,last_rate=1e-4,augment_from=1,epochs=3,batch=16"
    train(first, pictures(40), network_recipe("echo:structure=0,epochs=3,batch=16"), seed=0)
    train(second, pictures(40), network_recipe(cosine), seed=0)
    train(third, pictures(40), network_recipe("echo:epochs=3,batch=16"), seed=0)
    assert torch.equal(parameters(first), parameters(second))
    assert not torch.equal(parameters(first), parameters(third))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
def test_the_same_seed_gives_the_same_bits(precision):
    images, recipe = pictures(50), network_recipe(f"quick:epochs=2,batch=16,precision={precision}")
    first, second, third = (small(dropout=0.3) for _ in range(3))
    torch.manual_seed(1)
    train(first, images, recipe, seed=7)
    torch.manual_seed(2)
    train(second, images, recipe, seed=7)
    train(third, images, recipe, seed=8)
    assert torch.equal(parameters(first), parameters(second))
    assert not torch.equal(parameters(first), parameters(third))


def test_the_scale_of_weights_does_not_matter_and_equal_ones_are_none():
    recipe = network_recipe("quick:epochs=2,batch=16,precision=float32")
    weights = np.random.default_rng(0).uniform(1, 3, 32)
    plain, ones, light, heavy = (small() for _ in range(4))
    train(plain, pictures(32), recipe, seed=0)
    train(ones, pictures(32, weights=np.full(32, 7.0)), recipe, seed=0)
    train(light, pictures(32, weights=weights), recipe, seed=0)
    train(heavy, pictures(32, weights=1000 * weights), recipe, seed=0)
    torch.testing.assert_close(parameters(ones), parameters(plain), rtol=0, atol=1e-6)
    torch.testing.assert_close(parameters(heavy), parameters(light), rtol=0, atol=1e-4)
    assert not torch.allclose(parameters(light), parameters(plain), atol=1e-3)


@pytest.mark.parametrize("norm", [True, False])
def test_a_trained_network_knows_its_rows(norm):
    images, network = pictures(200), small(norm=norm)
    trained = train(network, images, network_recipe("quick:batch=20"), seed=0, test=images)
    truth = images.targets.numpy()
    assert (trained.predicted == truth).mean() > 0.97
    assert trained.history[-1].loss < trained.history[0].loss
    assert trained.finite
    predicted = logits_of(network, images, network_recipe("quick")).argmax(1)
    assert (predicted == trained.predicted).mean() > 0.98  # those were of bfloat16 features


def test_the_history_says_what_happened():
    images, tests, network = pictures(40), pictures(30, seed=9), small()
    recipe = network_recipe("gm-cifar:epochs=7,batch=16,evaluate_every=3,precision=float32")
    trained = train(network, images, recipe, seed=0, test=tests)
    assert [record.epoch for record in trained.history] == [1, 2, 3, 4, 5, 6, 7]
    looked = [record.test_accuracy is not None for record in trained.history]
    assert looked == [False, False, True, False, False, True, True]
    assert trained.history[-1].learning_rate == pytest.approx(0.1 / 125)
    assert all(record.seconds > 0 for record in trained.history)
    assert sum(record.seconds for record in trained.history) <= trained.seconds
    truth = tests.targets.numpy()
    predicted = logits_of(network, tests, recipe).argmax(1)
    assert trained.predicted.tolist() == predicted.tolist()
    assert trained.history[-1].test_accuracy == pytest.approx((predicted == truth).mean())
    accuracies = [record.test_accuracy or 0.0 for record in trained.history]
    assert trained.best_epoch == 1 + int(np.argmax(accuracies))
    assert (trained.best_predicted == truth).mean() == pytest.approx(max(accuracies))


def test_the_first_epoch_s_loss_is_that_of_its_steps():
    images, network = pictures(32), small()
    recipe = network_recipe("gm-cifar:epochs=1,batch=32,crop=none,flip=never,precision=float32")
    logits = network.train()(images.normalised(slice(0, 32))).detach()
    expected = functional.cross_entropy(logits, images.targets)
    right = (logits.argmax(1) == images.targets).float().mean()
    history = train(small(), images, recipe, seed=0).history
    assert history[0].loss == pytest.approx(float(expected), rel=1e-5)
    assert history[0].train_accuracy == pytest.approx(float(right))


def test_without_test_rows_nothing_is_predicted():
    trained = train(small(), pictures(20), network_recipe("quick:epochs=1"), seed=0)
    assert trained.predicted.size == trained.best_predicted.size == trained.best_epoch == 0
    assert trained.history[0].test_accuracy is None


def test_test_rows_change_no_training():
    recipe = network_recipe("quick:epochs=3,batch=16")
    alone, watched = small(dropout=0.5), small(dropout=0.5)
    train(alone, pictures(32), recipe, seed=0)
    record = Recorder(n=32, classes=CLASSES, epochs=3, early=1)
    train(watched, pictures(32), recipe, seed=0, test=pictures(9, seed=2), record=record)
    assert torch.equal(parameters(alone), parameters(watched))


def test_an_interruption_leaves_nothing_behind():
    images, network = pictures(40), small()
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    told = []

    def pulse(done: int, total: int) -> None:
        told.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(network, images, network_recipe("quick:epochs=2,batch=16"), seed=0, pulse=pulse)
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6)]
    assert torch.equal(torch.rand(3), expected)
    assert not torch.is_autocast_enabled("cpu")
    assert not network.training
    assert all(value.is_contiguous() for value in network.state_dict().values())


def test_the_pulse_is_told_of_every_step():
    told = []
    recipe = network_recipe("quick:epochs=3,batch=10")
    train(
        small(), pictures(41), recipe, seed=0, pulse=lambda done, total: told.append((done, total))
    )
    assert told == [(step, 12) for step in range(1, 13)]


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy():
    recipe = network_recipe("gm-cifar:epochs=9,batch=8,learning_rate=1e12")
    with pytest.raises(NotFinite, match=r"epoch \d of 9.*learning_rate=1e\+11") as caught:
        train(small(norm=False), pictures(40), recipe, seed=0)
    assert caught.value.exit_code == 3


def test_label_smoothing_is_a_mix_of_targets():
    images = pictures(32)
    text = "gm-cifar:epochs=1,batch=32,crop=none,flip=never,precision=float32,label_smoothing=0.3"
    logits = small().train()(images.normalised(slice(0, 32))).detach()
    target = 0.7 * functional.one_hot(images.targets, CLASSES) + 0.3 / CLASSES
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    history = train(small(), images, network_recipe(text), seed=0).history
    assert history[0].loss == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("view", ["train", "eval"])
def test_signals_are_taken_before_the_step(view):
    images, network = pictures(12), small()
    recipe = network_recipe("gm-cifar:epochs=1,batch=12,crop=none,flip=never,precision=float32")
    record = Recorder(n=12, classes=CLASSES, epochs=1, view=view)
    inputs = images.normalised(slice(0, 12))
    reference = small().train(view == "train")(inputs)
    train(network, images, recipe, seed=0, record=record)
    p = reference.detach().softmax(1).numpy()[np.arange(12), images.targets.numpy()]
    np.testing.assert_allclose(record.dynamics().p_true[:, 0], p, rtol=1e-4)


def test_pictures_of_the_network_are_taken_early_and_at_the_end():
    images, network = pictures(12), small()
    record = Recorder(n=12, classes=CLASSES, epochs=3, early=2)
    train(network, images, network_recipe("quick:epochs=3,batch=6"), seed=0, record=record)
    early, last = record.snapshots
    assert (early.epoch, last.epoch) == (2, 3)
    np.testing.assert_array_equal(last.logits, logits_of(network, images, network_recipe("quick")))
    np.testing.assert_array_equal(last.weight, network.head.weight.detach())
    np.testing.assert_allclose(
        early.feature @ early.weight.T + early.bias, early.logits, rtol=1e-4, atol=1e-5
    )
    assert not np.array_equal(early.weight, last.weight)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("text", ["echo:cutout=3,", "gm-tiny:", "gm-cifar:compile=true,"])
def test_a_gpu_trains_as_the_processor_does(text):
    recipe = network_recipe(f"{text}epochs=2,batch=16,precision=float32")
    images, device = pictures(40), torch.device("cuda")
    there = Images(
        images.pixels.to(device),
        images.targets.to(device),
        None,
        images.mean.to(device),
        images.std.to(device),
    )
    here, first, second = small(), small().to(device), small().to(device)
    train(here, images, recipe, seed=0)
    record = Recorder(n=40, classes=CLASSES, epochs=2)
    trained = train(first, there, recipe, seed=0, test=there, record=record)
    train(second, there, recipe, seed=0)
    torch.testing.assert_close(parameters(first).cpu(), parameters(here), rtol=0, atol=2e-2)
    assert torch.equal(parameters(first), parameters(second))
    assert trained.finite
    assert np.isfinite(record.dynamics().p_true).all()
