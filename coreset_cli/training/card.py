"""What there is to know of a trained network beside its weights, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any

from coreset_cli.artifacts.manifest import read_record
from coreset_cli.errors import SchemaMismatch

__all__ = ["Card", "read_card"]

LARGEST = 1 << 16
"""Pixels a side, classes and size of a statistic beyond which a card is not believed."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What there is to know of a trained network beside its weights.

    Args:
        network: architecture and settings, as text.
        classes: their names, in the order of the logits.
        channels: of the pictures, 1 or 3.
        size: side of the pictures in pixels, the longer one.
        mean: of x/255, a channel; subtracted from it.
        std: a channel; the difference is divided by it.
        recipe: how it was trained.
        epoch: of the weights, counted from 1.
        seed: of the first weights and the training.
        labels: column or file of the training labels, where one was named.
        train: record of the training file.
        facts: what was measured, such as the accuracy.
        shape: height and width of the pictures, where they are not square.
    """

    network: str
    classes: tuple[str, ...]
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    recipe: Mapping[str, Any]
    epoch: int
    seed: int
    labels: str | None = None
    train: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, int] | None = None

    def to_json(self) -> str:
        """The card as JSON, its keys sorted."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=str)


def read_card(text: str, name: str) -> Card:
    """A card from JSON; keys of later versions are passed over.

    Args:
        text: the JSON.
        name: what messages call it.

    Raises:
        ArtifactIncomplete: no JSON.
        SchemaMismatch: a value is missing, or cannot be.
    """
    record = read_record(text, name)
    kinds: dict[str, type | tuple[type, ...]] = {
        "network": str,
        "classes": list,
        "channels": int,
        "size": int,
        "mean": list,
        "std": list,
        "recipe": dict,
        "epoch": int,
        "seed": int,
        "labels": (str, NoneType),
        "train": (dict, NoneType),
        "facts": dict,
    }
    for key, kind in kinds.items():
        if not isinstance(record.get(key, ...), kind):
            raise SchemaMismatch(f"{name} lacks a proper '{key}'; train it again")
    shape = record.get("shape")
    classes, mean, std = (tuple(record[key]) for key in ("classes", "mean", "std"))
    channels = record["channels"]
    fits = (
        all(isinstance(label, str) for label in classes)
        and 1 <= len(classes) <= LARGEST
        and channels in (1, 3)
        and record["size"] <= LARGEST
        and len(mean) == len(std) == channels
        and all(isinstance(x, int | float) and abs(x) < LARGEST for x in (*mean, *std))
        and min(std) > 0
        and (shape is None or _is_shape(shape, record["size"]))
    )
    if not fits:
        raise SchemaMismatch(
            f"{name} has classes, channels, a shape or statistics that cannot be; train it again"
        )
    known = {field.name: record[field.name] for field in fields(Card) if field.name in record}
    mean, std = tuple(map(float, mean)), tuple(map(float, std))
    shape = None if shape is None else tuple(shape)
    return Card(**{**known, "classes": classes, "mean": mean, "std": std, "shape": shape})


def _is_shape(shape: object, longer: int) -> bool:
    """Whether these can be the sides of a picture."""
    return (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(side, int) and side >= 1 for side in shape)
        and max(shape) == longer
    )
