"""What a user names with `--encoder`: a family, a model of it, and where its weights are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from coreset_cli.errors import FileMissing, InvalidParameter, did_you_mean
from coreset_cli.settings import parse_settings

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from coreset_cli.encoders.encoder import Encoder

__all__ = [
    "DEFAULT",
    "FAMILIES",
    "EncoderSpec",
    "First",
    "Modality",
    "encoder_spec",
    "family_of",
    "one_of",
]

DEFAULT = "open_clip:ViT-B-32@laion2b_s34b_b79k"
"""The encoder of images and texts where none is named."""

FAMILIES = ("open_clip", "timm", "torchvision", "checkpoint", "pixels")

FILE_SUFFIXES = frozenset({".bin", ".ckpt", ".npz", ".pt", ".pth", ".safetensors"})
"""By which weights are taken for a file, also where it is not there."""

Modality = Literal["image", "text"]

First = Callable[[], "Image | None"]
"""Gives the first image of the data that can be decoded."""


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder by name.

    Args:
        family: one of `FAMILIES`.
        model: name of the architecture, or the file of a checkpoint.
        weights: a tag or a file; empty for families that need none.
        settings: `name=value` of families that have parameters.
    """

    family: str
    model: str = ""
    weights: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As a user would write it."""
        settings = ",".join(f"{name}={value}" for name, value in sorted(self.settings.items()))
        weights = f"@{self.weights}" if self.weights else ""
        return ":".join(filter(None, [self.family, f"{self.model}{weights}", settings]))

    @property
    def kind(self) -> str:
        """Family and architecture: what the weights do not say, wherever they lie."""
        return self.family if self.family == "checkpoint" else replace(self, weights="").text

    @property
    def file(self) -> Path | None:
        """The file of the weights, where they are one.

        Raises:
            FileMissing: they look like a file, which is not there.
        """
        place = Path(self.weights)
        if not self.weights or place.is_file():
            return place if self.weights else None
        if len(place.parts) > 1 or place.suffix.lower() in FILE_SUFFIXES:
            raise FileMissing(f"no file {place} with the weights of {self.family}:{self.model}")
        return None


class Family(Protocol):
    """What the file of a family has."""

    def require(self, spec: EncoderSpec, modality: Modality) -> None:
        """Refuse quickly what cannot be had: no data have been read, nothing is downloaded."""

    def make(
        self, spec: EncoderSpec, modality: Modality, device: "torch.device", first: First
    ) -> "Encoder":
        """Load the weights.

        Args:
            spec: what the user named.
            modality: of the samples.
            device: where to compute.
            first: gives the first image of the data that can be decoded.
        """


def encoder_spec(text: str) -> EncoderSpec:
    """What a user named: `open_clip:ViT-B-32@laion2b_s34b_b79k`, `pixels:size=28`.

    Args:
        text: family, model and weights.

    Raises:
        InvalidParameter: an unknown family, or a part that it must have is not there.
    """
    name, _, rest = text.partition(":")
    family = name.strip().lower().replace("-", "_")
    if family not in FAMILIES:
        hint = did_you_mean(family, FAMILIES) or f"; there are {', '.join(FAMILIES)}"
        raise InvalidParameter(f"unknown family of encoders '{name}' in --encoder {text}{hint}")
    if family == "pixels":
        return EncoderSpec(
            family, settings=parse_settings(filter(None, rest.split(",")), "--encoder")
        )
    if not rest:
        word = "FILE" if family == "checkpoint" else "MODEL@TAG, or MODEL@FILE"
        raise InvalidParameter(f"--encoder {text} names no model; write {family}:{word}")
    if family == "checkpoint":
        return EncoderSpec(family, rest)
    model, _, weights = rest.partition("@")
    return EncoderSpec(family, model, weights)


def family_of(spec: EncoderSpec) -> Family:
    """The code of a family; imports what it needs."""
    return cast("Family", import_module(f"{__package__}.{spec.family}"))


def one_of(word: str, known: Sequence[str], what: str) -> str:
    """The word, where it is known.

    Args:
        word: what the user typed.
        known: all there are.
        what: they are, for the message.

    Raises:
        InvalidParameter: unknown; the nearest is named, or all where they are few.
    """
    if word in known:
        return word
    listed = f"; there are {', '.join(known)}" if 0 < len(known) <= 40 else ""
    raise InvalidParameter(f"unknown {what} '{word}'{did_you_mean(word, known) or listed}")
