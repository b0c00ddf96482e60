import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from coreset_cli.training.networks import build, network_names, network_spec

SMALL = {
    "convnet": "convnet:width=16",
    "resnet18": "resnet18:width=8",
    "resnet50": "resnet50:width=8",
    "vgg16": "vgg16:width=16",
    "senet18": "senet18:width=16",
}


def make(text, *, classes=10, channels=3, size=32, seed=0):
    spec = network_spec(text)
    return build(spec, classes=classes, channels=channels, size=size, seed=seed)


def count(text, **sizes):
    with torch.device("meta"):  # shapes without numbers
        network = make(text, **sizes)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("text", "dimension", "counts"),
    [
        ("resnet18", 512, (11_173_962, 11_220_132, 11_271_432)),
        ("resnet50", 2048, (23_520_842, 23_705_252, 23_910_152)),
        ("vgg16", 512, (14_728_266, 14_774_436, 14_825_736)),
        ("shufflenetv2", 1024, (1_263_854, 1_356_104, 1_458_604)),
        ("senet18", 512, (11_260_354, 11_306_524, 11_357_824)),
        ("efficientnet-b0", 320, (3_598_598, 3_627_488, 3_659_588)),
    ],
)
def test_parameters_are_those_of_the_references(text, dimension, counts):
    assert tuple(count(text, classes=classes) for classes in (10, 100, 200)) == counts
    with torch.device("meta"):
        assert make(text).dimension == dimension


@pytest.mark.parametrize(
    ("text", "sizes", "parameters", "dimension"),
    [
        ("resnet50:stem=imagenet", {"classes": 200, "size": 64}, 23_917_832, 2048),
        ("lenet", {"channels": 1, "size": 28}, 61_706, 84),
        ("lenet", {"channels": 3, "size": 32}, 62_006, 84),
        ("convnet", {}, 320_010, 2048),
        ("convnet", {"classes": 100}, 504_420, 2048),
        ("convnet", {"channels": 1, "size": 28}, 317_706, 2048),
        ("convnet", {"classes": 200, "size": 64}, 857_160, 2048),
    ],
)
def test_parameters_at_other_sizes(text, sizes, parameters, dimension):
    assert count(text, **sizes) == parameters
    assert make(text, **sizes).dimension == dimension


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 7, 8, 28, 33, 64])
@pytest.mark.parametrize("name", network_names())
def test_any_size_and_both_colours(name, size, channels):
    network = make(SMALL.get(name, name), channels=channels, size=size).eval()
    with torch.no_grad():
        logits = network(torch.rand(2, channels, size, size))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", network_names())
def test_pictures_that_are_not_square(name):
    network = make(SMALL.get(name, name), size=20).eval()
    with torch.no_grad():
        assert network.features(torch.rand(2, 3, 12, 20)).shape == (2, network.dimension)


def copied(network, reference):
    """The weights of a network, in order, put into another of the same layers."""
    own, theirs = network.body.state_dict(), reference.state_dict()
    assert [v.shape for v in own.values()] == [v.shape for v in theirs.values()]
    reference.load_state_dict(dict(zip(theirs, own.values(), strict=True)))


def small_stem(network, name="conv1"):
    """A model of torchvision as small pictures want it: all places kept, no last layer."""
    old = getattr(network, name)
    setattr(network, name, nn.Conv2d(3, old.out_channels, 3, padding=1, bias=False))
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return network


def reference_resnet18():
    return small_stem(torchvision.models.resnet18())


def reference_resnet50():
    return small_stem(torchvision.models.resnet50())


def reference_resnet50_imagenet():
    network = torchvision.models.resnet50()
    network.fc = nn.Identity()
    return network


def reference_shufflenet():
    network = torchvision.models.shufflenet_v2_x1_0()
    network.conv1[0].stride = (1, 1)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return network


def reference_vgg16():
    vgg = torchvision.models.vgg
    return nn.Sequential(vgg.make_layers(vgg.cfgs["D"], batch_norm=True), nn.Flatten())


def reference_efficientnet():
    network = torchvision.models.efficientnet_b0(stochastic_depth_prob=0.0)
    network.features[0][0].stride = (1, 1)
    layers = network.features[:-1]
    return nn.Sequential(layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("resnet18", reference_resnet18),
        ("resnet50", reference_resnet50),
        ("resnet50:stem=imagenet", reference_resnet50_imagenet),
        ("shufflenetv2", reference_shufflenet),
        ("vgg16", reference_vgg16),
        ("efficientnet-b0:dropout=0", reference_efficientnet),
    ],
)
def test_features_are_those_of_torchvision(text, reference, training):
    network, other = make(text).train(training), reference().train(training)
    copied(network, other)
    pictures = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            network.features(pictures), other(pictures), rtol=1e-3, atol=1e-5
        )


def senet18(x, w):
    """SENet-18 on pictures from a list of weights, batch norm with statistics of the batch."""
    take = iter(w)

    def norm(x):
        mean, variance = (
            x.mean((0, 2, 3), keepdim=True),
            x.var((0, 2, 3), keepdim=True, correction=0),
        )
        scale, shift = next(take)[:, None, None], next(take)[:, None, None]
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = norm(F.conv2d(x, next(take), padding=1)).relu()
    for width in (64, 128, 256, 512):
        for stride in (1 if width == 64 else 2, 1):
            a = norm(x).relu()
            b = norm(F.conv2d(a, next(take), stride=stride, padding=1)).relu()
            b = F.conv2d(b, next(take), padding=1)
            s = F.conv2d(b.mean((2, 3), keepdim=True), next(take), next(take)).relu()
            b = b * F.conv2d(s, next(take), next(take)).sigmoid()
            x = b + (F.conv2d(a, next(take), stride=stride) if x.shape != b.shape else x)
    return x.mean((2, 3))


def test_senet_is_its_formula():
    network = make("senet18", size=16).train()
    pictures = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        expected = senet18(pictures, network.body.parameters())
        torch.testing.assert_close(network.features(pictures), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize(("size", "pools"), [(8, (0,)), (28, (0, 1, 2)), (32, (0, 1, 2))])
def test_convnet_is_its_formula(size, pools, norm):
    network = make(f"convnet:width=8,norm={norm}", channels=1, size=size)
    x = pictures = torch.randn(2, 1, size, size)
    w = iter(network.body.parameters())
    for block in range(3):
        x = F.conv2d(x, next(w), next(w), padding=3 if size == 28 and block == 0 else 1)
        if norm == "instance":
            x = F.instance_norm(x, weight=next(w), bias=next(w))
        x = F.avg_pool2d(x.relu(), 2) if block in pools else x.relu()
    assert x.shape[2:] == (4, 4)
    torch.testing.assert_close(network.features(pictures), x.flatten(1))


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_lenet_is_its_formula(channels, size):
    network = make("lenet", channels=channels, size=size)
    x = pictures = torch.randn(2, channels, size, size)
    w = iter(network.body.parameters())
    x = F.max_pool2d(F.conv2d(x, next(w), next(w), padding=2 if channels == 1 else 0).relu(), 2)
    x = F.max_pool2d(F.conv2d(x, next(w), next(w)).relu(), 2).flatten(1)
    x = F.linear(F.linear(x, next(w), next(w)).relu(), next(w), next(w)).relu()
    torch.testing.assert_close(network.features(pictures), x)


@pytest.mark.parametrize(
    "setting", ["norm=batch", "norm=group", "norm=none", "pool=max", "depth=1"]
)
def test_other_convnets_run(setting):
    network = make(f"convnet:width=8,{setting}", size=16)
    assert network(torch.rand(2, 3, 16, 16)).isfinite().all()


def test_max_pooling_takes_the_largest():
    one = make("convnet:width=8,depth=1,norm=none", size=8)
    two = make("convnet:width=8,depth=1,norm=none,pool=max", size=8)
    pictures = torch.rand(2, 3, 8, 8)
    assert (two.features(pictures) >= one.features(pictures)).all()
    maps = one.body[1](one.body[0](pictures))
    torch.testing.assert_close(two.features(pictures), F.max_pool2d(maps, 2).flatten(1))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg16", "senet18", "shufflenetv2"])
def test_kaiming_weights_have_the_deviation_of_the_fan_out(name):
    network = make(f"{name}:init=kaiming")
    layer = max(
        (m for m in network.modules() if isinstance(m, nn.Conv2d)), key=lambda m: m.weight.numel()
    )
    fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
    assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    plain = make(name).state_dict()
    assert plain["head.weight"].shape == network.head.weight.shape


def drop_all(share):
    network = make(f"efficientnet-b0:dropout=0,drop_connect={share}", size=8)
    return [m.share for m in network.modules() if hasattr(m, "share")]


def test_drop_connect_grows_with_the_block():
    # Blocks with a sum, counted from 0 among 16: all but the first of each stage.
    places = [2, 4, 6, 7, 9, 10, 12, 13, 14]
    np.testing.assert_allclose(drop_all(0.2), [0.2 * b / 16 for b in places])
    assert drop_all(0.0) == [0.0] * len(places)


def test_drop_connect_keeps_the_mean():
    network = make("efficientnet-b0:drop_connect=0.8", size=8)
    block = [m for m in network.modules() if hasattr(m, "share")][-1]
    block.branch = nn.Identity()
    torch.manual_seed(0)
    maps = torch.ones(4000, 192, 1, 1)
    share = 0.8 * 14 / 16
    dropped = block(maps)
    values = dropped.flatten(1)
    assert (values == values[:, :1]).all()  # a picture is dropped as a whole
    kept = values[:, 0] > 1.5
    torch.testing.assert_close(values[kept, 0], torch.full((int(kept.sum()),), 1 + 1 / (1 - share)))
    assert kept.float().mean().item() == pytest.approx(1 - share, abs=0.03)
    assert torch.equal(block.eval()(maps), 2 * maps)


@pytest.mark.parametrize("name", network_names())
def test_random_labels_are_learned(name):
    torch.manual_seed(0)
    network = make(SMALL.get(name, name), size=16).train()
    pictures, targets = torch.randn(64, 3, 16, 16), torch.randint(10, (64,))
    descent = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(100):
        loss = F.cross_entropy(network(pictures), targets)
        descent.zero_grad()
        loss.backward()
        descent.step()
        if loss < 0.05:
            break
    assert loss < 0.05


@pytest.mark.parametrize("name", network_names())
def test_bfloat16_and_channels_last(name):
    network = make(SMALL.get(name, name), size=16).eval()
    pictures = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        expected = network(pictures)
    network.to(memory_format=torch.channels_last)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.train()(pictures)
    F.cross_entropy(logits.float(), torch.tensor([0, 1, 2, 3])).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", network_names())
def test_eval_leaves_a_network_as_it_is(name):
    network = make(SMALL.get(name, name), size=16).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pictures = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        all_at_once, one = network(pictures), network(pictures[:1])
    torch.testing.assert_close(all_at_once[:1], one, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
