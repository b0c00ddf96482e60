import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.networks import build, network_names, network_spec

NAMES = [
    "convnet",
    "efficientnet-b0",
    "lenet",
    "resnet18",
    "resnet50",
    "senet18",
    "shufflenetv2",
    "vgg16",
]


def make(text="lenet", seed=0, **sizes):
    return build(
        network_spec(text), **{"classes": 10, "channels": 3, "size": 8, **sizes}, seed=seed
    )


def test_the_folder_is_the_list_of_names():
    assert network_names() == NAMES


def test_listing_names_imports_no_architecture():
    script = (
        "import sys; from coreset_cli.training.networks import network_names; network_names(); "
        "print([m for m in sys.modules if m.startswith('coreset_cli.training.nets.')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("convnet", "convnet"),
        ("ConvNet:width=128", "convnet"),
        ("convnet:depth=3,width=32", "convnet:width=32,depth=3"),
        ("convnet:depth=auto,norm=none", "convnet:norm=none"),
        ("efficientnet_b0:drop-connect=0.2", "efficientnet-b0:drop_connect=0.2"),
        ("resnet50:stem=imagenet,init=kaiming", "resnet50:stem=imagenet,init=kaiming"),
    ],
)
def test_text_is_the_shortest_that_means_the_same(typed, text):
    spec = network_spec(typed)
    assert spec.text == text
    assert network_spec(spec.text) == spec


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("resnet19", "unknown network 'resnet19'; did you mean resnet18"),
        ("xyz", "there are convnet, efficientnet-b0, lenet"),
        ("_layers", "unknown network"),
        ("lenet:width=3", "lenet has no parameter 'width'"),
        ("convnet:norm=layer", "convnet: norm cannot be 'layer'"),
        ("convnet:depth=7", "convnet: depth cannot be '7'"),
        ("convnet:width=0", "it must be at least 1"),
        ("resnet18:width=-1", "it must be at least 1"),
        ("convnet:width=6,norm=group", "multiple of 4"),
        ("efficientnet-b0:dropout=1", r"below 1"),
    ],
)
def test_what_there_is_not_is_refused(typed, said):
    with pytest.raises(InvalidParameter, match=said):
        network_spec(typed)


@pytest.mark.parametrize("sizes", [{"classes": 0}, {"channels": 0}, {"size": 3}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(InvalidParameter, match="at least 4 pixels"):
        make(**sizes)


@pytest.mark.parametrize("name", NAMES)
def test_weights_depend_on_the_seed_alone(name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = make(name).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    two = make(name).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    other = make(name, seed=1).state_dict()
    assert not torch.equal(one["head.weight"], other["head.weight"])
    first = next(key for key in one if one[key].ndim == 4)
    assert not torch.equal(one[first], other[first])


def test_a_network_is_its_head_on_its_features():
    network = make("convnet:width=8").eval()
    pictures = torch.randn(4, 3, 8, 8)
    features = network.features(pictures)
    assert features.shape == (4, network.dimension)
    expected = features @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(pictures), expected)


def test_specs_are_values():
    spec = network_spec("convnet:width=8")
    assert spec == replace(spec) == network_spec("convnet:width=8")
    assert spec != network_spec("convnet:width=16")
