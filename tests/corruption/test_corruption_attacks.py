from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from coreset_cli.corruption.attacks import (
    KINDS,
    Attack,
    attack_images,
    fgsm,
    pgd,
    start_of,
)
from coreset_cli.errors import InvalidParameter, MissingInput, NotFinite, SchemaMismatch
from coreset_cli.settings import filled
from coreset_cli.training.checkpoint import Card
from coreset_cli.training.networks import build, network_spec

EPSILON = 8 / 255


@pytest.fixture(scope="module")
def victim():
    """A network trained on digits for a moment, its card, and digits it has not seen."""
    digits = load_digits()
    values = np.minimum(digits.images * 16, 255).astype(np.uint8)[..., None]
    codes = digits.target.astype(np.int64)
    mean, std = values[:1000].mean() / 255, values[:1000].std() / 255
    card = Card(
        network="convnet:width=16,norm=batch",
        classes=tuple("0123456789"),
        channels=1,
        size=8,
        mean=(float(mean),),
        std=(float(std),),
        recipe={},
        epoch=1,
        seed=0,
    )
    network = build(network_spec(card.network), classes=10, channels=1, size=8, seed=0)
    descent = torch.optim.Adam(network.parameters(), lr=1e-2)
    x = ((torch.from_numpy(values) / 255 - mean) / std).permute(0, 3, 1, 2).float()
    for step in range(60):
        rows = torch.arange(step * 100, step * 100 + 100) % 1000
        loss = F.cross_entropy(network(x[rows]), torch.from_numpy(codes)[rows])
        descent.zero_grad()
        loss.backward()
        descent.step()
    return network.eval(), card, values[1000:1100], codes[1000:1100]


@pytest.fixture
def attacked(victim):
    """Attack the digits, or some of them: `attacked(kind, rows=…, epsilon=…) -> uint8`."""

    def attack(kind, rows=slice(None), **settings):
        network, card, values, codes = victim
        words = np.arange(100, dtype=np.uint64) + 17
        return attack_images(
            network, card, values[rows], codes[rows], kind, Attack(**settings), words[rows]
        )

    return attack


def logits_of(victim, values):
    network, card, _, _ = victim
    x = (torch.from_numpy(values).double() / 255 - card.mean[0]) / card.std[0]
    with torch.no_grad():
        return network(x.permute(0, 3, 1, 2).float())


def loss_of(victim, values):
    targets = torch.from_numpy(victim[3])
    return F.cross_entropy(logits_of(victim, values), targets, reduction="none").numpy()


# --- a linear model, whose gradient is known in closed form --------------------------------------


def linear_model(d, c, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(c, d)), rng.normal(size=c)


def linear_gradient(weights, bias, x, y):
    z = x @ weights.T + bias
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p - np.eye(len(bias))[y]) @ weights


def linear_pgd(weights, bias, x, y, start, *, epsilon, alpha, steps):
    out = np.clip(x + epsilon * start, 0, 1)
    for _ in range(steps):
        out = out + alpha * np.sign(linear_gradient(weights, bias, out, y))
        out = np.minimum(np.maximum(out, x - epsilon), x + epsilon)
        out = np.clip(out, 0, 1)
    return out


def as_logits(weights, bias):
    w, b = torch.tensor(weights, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)
    return lambda x: x.flatten(1) @ w.T + b


@pytest.fixture
def linear_case():
    rng = np.random.default_rng(3)
    weights, bias = linear_model(12, 4, 1)
    x = rng.random((20, 12)).astype(np.float32).astype(np.float64)
    x[:, 0], x[:, 1] = 0.0, 1.0  # at the ends of the range
    start = rng.uniform(-1, 1, (20, 12)).astype(np.float32).astype(np.float64)
    return weights, bias, x, rng.integers(4, size=20), start


def planes(x):
    return torch.tensor(x, dtype=torch.float32).reshape(-1, 3, 2, 2)


@pytest.mark.parametrize(
    ("epsilon", "alpha", "steps"), [(8, 2, 10), (8, 3, 7), (20, 2, 3), (1, 9, 2)]
)
def test_pgd_of_a_linear_model_is_its_closed_form(linear_case, epsilon, alpha, steps):
    weights, bias, x, y, start = linear_case
    settings = Attack(epsilon=Fraction(epsilon, 255), alpha=Fraction(alpha, 255), steps=steps)
    found = pgd(
        as_logits(weights, bias),
        planes(x),
        torch.from_numpy(y),
        settings=settings,
        start=planes(start),
    )
    expected = linear_pgd(
        weights, bias, x, y, start, epsilon=epsilon / 255, alpha=alpha / 255, steps=steps
    )
    np.testing.assert_allclose(found.reshape(20, 12), expected, atol=1e-6)
    assert np.abs(expected - x).max() > min(epsilon, alpha) / 255 / 2


def test_fgsm_of_a_linear_model_is_its_closed_form(linear_case):
    weights, bias, x, y, _ = linear_case
    found = fgsm(as_logits(weights, bias), planes(x), torch.from_numpy(y), epsilon=0.1)
    expected = np.clip(x + 0.1 * np.sign(linear_gradient(weights, bias, x, y)), 0, 1)
    np.testing.assert_allclose(found.reshape(20, 12), expected, atol=1e-6)


def test_one_step_of_pgd_without_a_start_is_fgsm(linear_case):
    weights, bias, x, y, _ = linear_case
    logits, x, y = as_logits(weights, bias), planes(x), torch.from_numpy(y)
    settings = Attack(alpha=Fraction(8, 255), steps=1)
    one = pgd(logits, x, y, settings=settings, start=torch.zeros_like(x))
    torch.testing.assert_close(one, fgsm(logits, x, y, epsilon=EPSILON))


def test_a_gradient_of_zero_moves_nothing():
    x, y = torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    flat = lambda x: (0 * x).flatten(1)  # noqa: E731  # shorter than a function
    assert torch.equal(fgsm(flat, x, y, epsilon=0.5), x)


def test_a_gradient_that_is_not_finite_is_refused():
    x, y = torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(NotFinite, match="gradient"):
        fgsm(lambda x: (x - x).sqrt().flatten(1), x, y, epsilon=0.5)


# --- images against a trained network ------------------------------------------------------------


def reference(victim, kind, settings):
    """Both attacks by NumPy, the gradient from torch in double precision, one image at a time."""
    network, card, values, codes = victim
    network = build(network_spec(card.network), classes=10, channels=1, size=8, seed=0).double()
    network.load_state_dict(victim[0].state_dict())
    network.eval()

    def gradient(x, y):
        def loss(x):
            z = network((x - card.mean[0]) / card.std[0])
            return z.logsumexp(1)[0] - z[0, y]

        return torch.func.grad(loss)(torch.from_numpy(x)[None, None]).detach().numpy()[0, 0]

    epsilon, alpha = float(settings.epsilon), float(settings.alpha)
    after = []
    for i in range(len(values)):
        x = values[i, ..., 0] / 255
        if kind == "fgsm":
            with torch.no_grad():
                z = network((torch.from_numpy(x)[None, None] - card.mean[0]) / card.std[0])
            out = np.clip(x + epsilon * np.sign(gradient(x, int(z.argmax()))), 0, 1)
        else:
            out = np.clip(x + epsilon * start_of(i + 17, (8, 8, 1))[..., 0], 0, 1)
            for _ in range(settings.steps):
                out = out + alpha * np.sign(gradient(out, codes[i]))
                out = np.clip(np.clip(out, x - epsilon, x + epsilon), 0, 1)
        after.append(np.rint(255 * out)[..., None])
    return np.stack(after).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_attacks_equal_an_independent_version(victim, attacked, kind):
    found, expected = attacked(kind), reference(victim, kind, Attack())
    # Where a gradient is nearly 0 its sign depends on the precision, and the path with it.
    assert (found == expected).mean() > 0.998
    assert (expected != victim[2]).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_changed_images_stay_in_the_ball(victim, attacked, kind):
    change = attacked(kind).astype(int) - victim[2]
    assert np.abs(change).max() == 8
    released = attacked(kind, profile="mds-release").astype(int) - victim[2]
    assert np.abs(released).max() in (8, 9)  # truncating may take one level more


@pytest.mark.parametrize("label", ["true", "predicted"])
@pytest.mark.parametrize("kind", KINDS)
def test_attacks_raise_the_loss(victim, attacked, kind, label):
    logits = logits_of(victim, victim[2])
    assert (logits.argmax(1).numpy() == victim[3]).mean() > 0.9
    targets = logits.argmax(1) if label == "predicted" else torch.from_numpy(victim[3])
    before = F.cross_entropy(logits, targets)
    after = F.cross_entropy(logits_of(victim, attacked(kind, label=label)), targets)
    assert after > 1.5 * before


def test_more_steps_and_more_room_hurt_more(victim, attacked):
    losses = [
        loss_of(victim, attacked("pgd", start="none", **settings)).mean()
        for settings in (
            {"steps": 1},
            {"steps": 10},
            {"steps": 40, "epsilon": Fraction(32, 255)},
        )
    ]
    assert losses[0] < losses[1] < losses[2]


def test_noise_of_the_same_size_hurts_less(victim, attacked):
    """The loss rises because of the direction, not because of the distance."""
    signs = np.random.default_rng(0).choice([-8, 8], size=victim[2].shape)
    noisy = np.clip(victim[2].astype(int) + signs, 0, 255).astype(np.uint8)
    gain = loss_of(victim, attacked("pgd")).mean() - loss_of(victim, victim[2]).mean()
    assert gain > 3 * abs(loss_of(victim, noisy).mean() - loss_of(victim, victim[2]).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("profile", ["standard", "mds-release"])
def test_no_room_is_the_identity(victim, attacked, kind, profile):
    assert np.array_equal(attacked(kind, epsilon=Fraction(0), profile=profile), victim[2])


@pytest.mark.parametrize("profile", ["standard", "mds-release"])
def test_every_level_comes_back(victim, profile):
    network, card, _, _ = victim
    levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    settings = Attack(epsilon=Fraction(0), label="predicted", profile=profile)
    words = np.arange(4, dtype=np.uint64)
    assert np.array_equal(
        attack_images(network, card, levels, None, "pgd", settings, words), levels
    )


def test_fgsm_moves_by_all_or_nothing(victim, attacked):
    change = attacked("fgsm", epsilon=Fraction(3, 255)).astype(int) - victim[2]
    inside = (victim[2] >= 3) & (victim[2] <= 252)
    assert set(np.unique(change[inside])) <= {-3, 0, 3}
    assert set(np.unique(change)) <= {-3, -2, -1, 0, 1, 2, 3}


def test_predicted_and_true_classes_differ_where_the_network_is_wrong(victim, attacked):
    right = logits_of(victim, victim[2]).argmax(1).numpy() == victim[3]
    true, predicted = attacked("fgsm", label="true"), attacked("fgsm", label="predicted")
    assert np.array_equal(true[right], predicted[right])
    assert not right.all()
    assert (true[~right] != predicted[~right]).any(axis=(1, 2, 3)).all()
    assert np.array_equal(attacked("fgsm"), predicted)
    assert np.array_equal(attacked("pgd"), attacked("pgd", label="true"))


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_company_change_nothing(attacked, kind):
    whole = attacked(kind)
    for rows in (np.arange(100)[::-1], np.array([42]), np.arange(30, 99)):
        assert np.array_equal(attacked(kind, rows=rows), whole[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_sees_batches_of_one_size(victim, attacked, kind):
    """The last bits of a gradient depend on it."""
    seen = set()
    hook = victim[0].head.register_forward_hook(lambda head, given, made: seen.add(len(made)))
    try:
        attacked(kind, rows=slice(70), batch=32)
        attacked(kind, rows=slice(3), batch=32)
    finally:
        hook.remove()
    assert seen == {32}


def test_the_word_of_a_row_decides_its_start(victim):
    """After one step the start still shows; after many, two starts may end at the same corner."""
    network, card, values, codes = victim
    once = Attack(steps=1)
    words = np.arange(100, dtype=np.uint64) + 17
    other = words.copy()
    other[3] += np.uint64(1)
    found, changed = (
        attack_images(network, card, values, codes, "pgd", once, each) for each in (words, other)
    )
    assert np.flatnonzero((found != changed).any(axis=(1, 2, 3))).tolist() == [3]


def test_starts_are_uniform_in_the_ball():
    draws = np.concatenate([start_of(word, (8, 8, 3)).ravel() for word in range(200)])
    assert start_of(5, (4, 2, 3)).shape == (4, 2, 3)
    assert np.abs(draws).max() <= 1
    # 38,400 draws: a share of a tenth has deviation 0.0015.
    np.testing.assert_allclose(np.histogram(draws, 10, (-1, 1))[0] / len(draws), 0.1, atol=0.008)


def test_the_network_is_left_as_it_was(victim):
    network, card, values, codes = victim
    before = {name: value.clone() for name, value in network.state_dict().items()}
    seen = []
    words = np.arange(100, dtype=np.uint64)
    network.train()
    try:
        trained = attack_images(
            network,
            card,
            values,
            codes,
            "pgd",
            Attack(),
            words,
            progress=lambda *at: seen.append(at),
        )
        assert network.training
    finally:
        network.eval()
    assert np.array_equal(
        trained, attack_images(network, card, values, codes, "pgd", Attack(), words)
    )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert seen == [(64, 100), (100, 100)]


def test_colour_images_keep_their_channels():
    """A network that reads red alone: only red changes, upwards for class 0's loss."""
    card = Card(
        network="lenet", classes=("a", "b"), channels=3, size=8, mean=(0.0, 0.1, 0.2),
        std=(0.5, 1.0, 2.0), recipe={}, epoch=1, seed=0,
    )  # fmt: skip
    network = build(network_spec("lenet"), classes=2, channels=3, size=8, seed=0)

    class Red(nn.Module):
        def forward(self, x):
            return torch.stack([-x[:, 0].mean((1, 2)), x[:, 0].mean((1, 2))], 1)

    network.body, network.head = Red(), nn.Linear(2, 2)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(2))
    values = np.full((2, 8, 6, 3), 100, np.uint8)
    words = np.arange(2, dtype=np.uint64)
    settings = Attack(label="true")
    after = attack_images(network, card, values, np.array([0, 1]), "fgsm", settings, words)
    expected = values.copy()
    expected[0, ..., 0], expected[1, ..., 0] = 108, 92
    assert np.array_equal(after, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_no_images(victim, kind):
    network, card, values, codes = victim
    none = attack_images(
        network, card, values[:0], codes[:0], kind, Attack(), np.empty(0, np.uint64)
    )
    assert none.shape == (0, 8, 8, 1)


def test_what_cannot_be_attacked_is_refused(victim):
    network, card, values, codes = victim
    words = np.arange(100, dtype=np.uint64)
    with pytest.raises(InvalidParameter, match="unknown attack 'cw'; there are pgd, fgsm"):
        attack_images(network, card, values, codes, "cw", Attack(), words)
    with pytest.raises(MissingInput, match="--label"):
        attack_images(network, card, values, None, "pgd", Attack(), words)
    with pytest.raises(SchemaMismatch, match="1 channels, not 3"):
        attack_images(network, card, values.repeat(3, 3), codes, "pgd", Attack(), words)
    with pytest.raises(SchemaMismatch, match="row 0 of those attacked is none of the 10 classes"):
        attack_images(network, card, values, codes + 10, "pgd", Attack(), words)
    foreign = np.full(100, -1)
    assert (
        attack_images(network, card, values, foreign, "fgsm", Attack(), words).shape == values.shape
    )


def test_fractions_are_read_as_typed():
    settings = filled(
        Attack, {"epsilon": "8/255", "alpha": "0.01", "label": "true"}, "--images pgd"
    )
    assert settings == Attack(label="true", alpha=Fraction(1, 100))
    for field, text in [
        ("epsilon", "8/0"),
        ("alpha", "x"),
        ("epsilon", "-1"),
        ("epsilon", "256/255"),
    ]:
        with pytest.raises(InvalidParameter):
            filled(Attack, {field: text}, "--images pgd")
    for field in ("steps", "batch"):
        with pytest.raises(InvalidParameter, match="at least 1"):
            filled(Attack, {field: "0"}, "--images pgd")
