"""Networks by name: the folder `nets/` is the register, a file one architecture.

Pictures come normalised, and the last layer is always an affine map; what it reads are the
features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coreset_cli.errors import InvalidParameter, did_you_mean
from coreset_cli.seeds import derived_seed
from coreset_cli.settings import filled, parse_spec
from coreset_cli.training import nets
from coreset_cli.training.nets import network_names

__all__ = ["Architecture", "Network", "NetworkSpec", "build", "network_names", "network_spec"]

SMALLEST = 4
"""Side, in pixels, below which pictures have nothing to convolve."""


@runtime_checkable
class Architecture(Protocol):
    """The settings of an architecture: a frozen dataclass that makes all layers but the last."""

    def body(self, *, channels: int, size: int) -> tuple[nn.Module, int]:
        """Layers from pictures to features [n e], with random weights, and e.

        Args:
            channels: of the pictures.
            size: side of the pictures in pixels.
        """


@dataclass(frozen=True)
class NetworkSpec:
    """An architecture and its settings.

    Args:
        name: as on the command line.
        settings: all of them.
    """

    name: str
    settings: Architecture

    @property
    def text(self) -> str:
        """The shortest text that means this: `convnet:width=32`."""
        changed = [
            f"{field.name}={getattr(self.settings, field.name)}"
            for field in fields(self.settings)  # type: ignore[arg-type]  # a protocol hides it
            if getattr(self.settings, field.name) != field.default
        ]
        return ":".join(filter(None, [self.name, ",".join(changed)]))


class Network(nn.Module):
    """Layers that make features of pictures, and a last one that makes logits of features.

    Args:
        body: all layers but the last.
        head: the last layer.
    """

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    @property
    def dimension(self) -> int:
        """Width of the features."""
        return self.head.in_features

    def features(self, pictures: Float[Tensor, "n ..."]) -> Float[Tensor, "n e"]:
        """What the last layer reads."""
        return self.body(pictures)

    def forward(self, pictures: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """Logits of the k classes."""
        return self.head(self.features(pictures))


def network_spec(text: str) -> NetworkSpec:
    """What a user named: `resnet18`, or `convnet:width=32,norm=batch`.

    Args:
        text: name and settings.

    Raises:
        InvalidParameter: no such network, no such setting, or a value that it cannot take.
    """
    name, settings = parse_spec(text, "--model")
    return NetworkSpec(name, _settings(name, settings))


def build(spec: NetworkSpec, *, classes: int, channels: int, size: int, seed: int) -> Network:
    """A network with random weights, which depend on the arguments alone.

    The global generator is left as it was.

    Args:
        spec: the architecture.
        classes: width of the last layer.
        channels: of the pictures.
        size: side of the pictures in pixels, the longer one; other shapes work too.
        seed: of the weights.

    Raises:
        InvalidParameter: sizes that no network can have.
    """
    if min(classes, channels) < 1 or size < SMALLEST:
        raise InvalidParameter(
            f"{spec.name} takes pictures of at least {SMALLEST} pixels a side, with 1 channel and "
            f"1 class or more, not {size} pixels, {channels} channels and {classes} classes"
        )
    # Only the processor's generator: seeding all would disturb those of other devices.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derived_seed(seed, "weights of a network"))
        body, dimension = spec.settings.body(channels=channels, size=size)
        return Network(body, nn.Linear(dimension, classes))


def _settings(name: str, settings: Mapping[str, str]) -> Architecture:
    if name not in network_names():
        hint = did_you_mean(name, network_names()) or f"; there are {', '.join(network_names())}"
        raise InvalidParameter(f"unknown network '{name}'{hint}")
    module = import_module(f"{nets.__name__}.{name.replace('-', '_')}")
    return filled(getattr(module, module.__all__[0]), settings, name)
