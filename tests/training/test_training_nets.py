import pytest
import torch

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
